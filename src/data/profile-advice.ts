/** Sentences that a profile of pictures leads to. One rule a line; a rule that has nothing to say gives undefined. */
import type { DuplicateGroup, ImageProfile } from './image-profile.ts'

type Profile = Omit<ImageProfile, 'advice'>
type Rule = (profile: Profile) => string | undefined

const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`
const list = (names: readonly string[]): string =>
  names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`
const first = (group: DuplicateGroup | undefined): string => group?.examples.slice(0, 2).join(' = ') ?? ''

/** Classes with a count that the test holds for, over all splits together. */
function classesWith(profile: Profile, test: (count: number) => boolean): string[] {
  const counts = Object.values(profile.splits).map(({ classes }) => classes)
  return profile.labels.filter((_, label) => test(counts.reduce((sum, classes) => sum + classes[label]!, 0)))
}

const leaks: Rule = ({ duplicates, splits }) => {
  const found = Object.entries(duplicates.leaked)
  if (found.length === 0) return undefined
  const where = found.map(([split, n]) => `${n} of ${splits[split]!.examples} pictures of '${split}'`).join(' and ')
  return `Leak: ${where} are in 'train' too, pixel for pixel, so results on them look better than they are. Remove them from one side.`
}

const contradictions: Rule = ({ duplicates: { contradictions: found } }) =>
  found.count > 0
    ? `${found.count} pictures stand under different classes with the same pixels (${first(found.first[0])}). Decide which class is right.`
    : undefined

const broken: Rule = ({ broken: found }) =>
  found.length > 0
    ? `${found.length} pictures cannot be read (${list(found.map(({ name, reason }) => `${name}: ${reason}`))}). Mend or remove them.`
    : undefined

const lonely: Rule = (profile) => {
  const names = classesWith(profile, (n) => n === 1)
  return names.length > 0
    ? `${names.length === 1 ? 'Class' : 'Classes'} ${list(names)} have one example: nothing is left to test on. Add examples or remove them.`
    : undefined
}

const few: Rule = (profile) => {
  const names = classesWith(profile, (n) => n > 1 && n < 20)
  return names.length > 0
    ? `Fewer than 20 examples: ${list(names)}. Add some, or use augmentation and a small model.`
    : undefined
}

const absent: Rule = ({ labels, splits }) => {
  const gaps = Object.entries(splits).flatMap(([split, { classes }]) => {
    const names = labels.filter((_, label) => classes[label] === 0)
    return names.length > 0 ? [`'${split}' has no example of ${list(names)}`] : []
  })
  return gaps.length > 0 ? `${gaps.join('; ')}. Set data.split.stratified, or add examples.` : undefined
}

const oneClass: Rule = ({ labels }) =>
  labels.length < 2 ? 'There is only one class: a classifier needs at least two folders of classes.' : undefined

const imbalance: Rule = ({ imbalance: { largest, smallest, ratio } }) =>
  ratio >= 3
    ? `Class '${largest}' has ${ratio.toFixed(1)} times as many examples as '${smallest}'. Judge by macro F1 instead of accuracy, and weigh the classes.`
    : undefined

const repeated: Rule = ({ duplicates: { extra, groups }, examples }) =>
  extra > 0
    ? `${extra} pictures (${percent(extra, examples)}) repeat another one pixel for pixel (${first(groups.first[0])}). Keep one of each.`
    : undefined

const near: Rule = ({ near: found }) => {
  if (!found || found.count === 0) return undefined
  const across = found.first.filter(({ splits }) => splits.length > 1).length
  const where = across > 0 ? ', some of them across splits' : ''
  return `${found.count} pairs of pictures are almost the same${where} (${first(found.first[0])}). Look whether they show one thing twice.`
}

const constant: Rule = ({ constant: found }) =>
  found.count > 0
    ? `${found.count} pictures are of one colour (${list(found.first)}). They teach nothing: remove them.`
    : undefined

const enlarged: Rule = ({ originals, shape, examples }) =>
  originals && originals.enlarged > examples / 4
    ? `${percent(originals.enlarged, examples)} of the pictures are smaller than ${shape[1]} x ${shape[2]} and are enlarged. A smaller image.height and image.width train faster and lose nothing.`
    : undefined

const allGrey: Rule = ({ originals, shape, examples }) => {
  const { grey = 0, 'grey with alpha': greyAlpha = 0 } = originals?.modes ?? {}
  return originals && shape[0] === 3 && grey + greyAlpha === examples
    ? 'All pictures are grey: image.channels 1 needs a third of the memory.'
    : undefined
}

const small: Rule = ({ examples }) =>
  examples < 200
    ? `${examples} examples are few: expect results to vary between seeds, and use augmentation.`
    : undefined

/** The most urgent first. */
const rules: readonly Rule[] = [
  oneClass,
  leaks,
  contradictions,
  broken,
  lonely,
  absent,
  imbalance,
  few,
  repeated,
  near,
  constant,
  enlarged,
  allGrey,
  small,
]

export function imageAdvice(profile: Profile): string[] {
  return rules.flatMap((rule) => rule(profile) ?? [])
}
