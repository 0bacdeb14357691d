"""Makes tokenizer.json: files and tokens of Hugging Face's own library for src/data/tokenizer.test.ts.

python3 -m venv VENV && VENV/bin/pip install tokenizers==0.22.1
VENV/bin/python test/golden/tokenizer.py > test/golden/tokenizer.json
"""

import json

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

corpus = [
    "The tea was fine, and the tin it came in finer still.",
    "Stale crackers; I would not buy them again!",
    "Für Elise naïve café: coffee at its best.",
    "My dog loves this food, my cat does not.",
    "Unbelievably good. Unbelievable, in fact -- buying again & again.",
]
texts = [
    "",
    "tea",
    "The café's tea was UNBELIEVABLY good!",
    "I would not buy this dog food again, and neither would my cat, for it is stale and the tin is not fine.",
    "日本 tea \U0001f375 with\ttabs\nand lines",
    "a [SEP] b </s> c",
]


def wordpiece():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator(corpus, trainers.WordPieceTrainer(vocab_size=160, special_tokens=special, show_progress=False))
    ends = [(name, t.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends)
    t.decoder = decoders.WordPiece()
    return t, {"pad_id": 0, "pad_token": "[PAD]"}


def bpe():
    t = Tokenizer(models.BPE(unk_token=None))
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<s>", "<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    t.train_from_iterator(corpus, trainer)
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    return t, {"pad_id": 1, "pad_token": "<pad>", "direction": "left"}


def unigram():
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=100, special_tokens=["<pad>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    t.train_from_iterator(corpus, trainer)
    t.decoder = decoders.Metaspace()
    return t, {"pad_id": 0, "pad_token": "<pad>", "pad_type_id": 3}


def wordlevel():
    t = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    t.normalizer = normalizers.Lowercase()
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordLevelTrainer(special_tokens=["[PAD]", "[UNK]"], show_progress=False)
    t.train_from_iterator(corpus, trainer)
    return t, {"pad_id": 0, "pad_token": "[PAD]"}


cases = []
for make in (wordpiece, bpe, unigram, wordlevel):
    tokenizer, padding = make()
    plain = json.loads(tokenizer.to_str())
    whole = [tokenizer.encode(text).ids for text in texts]
    decoded = [tokenizer.decode(ids) for ids in whole]
    tokenizer.enable_truncation(12)
    tokenizer.enable_padding(length=12, **padding)
    file = json.loads(tokenizer.to_str())
    rows = tokenizer.encode_batch(texts)
    cases.append(
        {
            "name": make.__name__,
            "file": file,
            "vocabulary": tokenizer.get_vocab_size(),
            "whole": whole,
            "decoded": decoded,
            "input_ids": [row.ids for row in rows],
            "attention_mask": [row.attention_mask for row in rows],
            "token_type_ids": [row.type_ids for row in rows],
        }
    )
print(json.dumps({"texts": texts, "cases": cases}))
