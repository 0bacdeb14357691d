/** A text as TypeScript writes it, in single quotes: a path may hold quotes and backslashes. */
function quoted(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
}

/** The files of a new image-classification project. */
export function imageStarter({ source, name }: { source: string; name: string }): Readonly<Record<string, string>> {
  return {
    'quern.config.ts': `import { defineProject } from 'quern'

// Every setting and its default: npx quern config --resolved
export default defineProject({
  task: 'image-classification',
  name: ${quoted(name)},
  data: {
    source: ${quoted(source)}, // one folder of pictures for each class
    image: { height: 64, width: 64, channels: 3 },
    split: { validation: 0.1, test: 0.1 },
  },
  model: 'cnn', // or 'mlp', 'cnn-deep', or layers of your own from 'quern/nn'
  augment: { flipHorizontal: true, shift: 0.1, rotate: 10 },
  train: { epochs: 20, batchSize: 32 },
})
`,
    'README.md': `# ${name}

A model that tells pictures apart, made with Quern.

Put the pictures of each class into a folder of its own:

    ${source}/cat/1.jpg
    ${source}/cat/2.jpg
    ${source}/dog/1.jpg

Then:

    npx quern inspect      # what is in the data, and what is wrong with it
    npx quern train        # trains, and writes a model bundle and a report
    npx quern evaluate     # scores on pictures that training has never seen
    npx quern predict FILE # the label of a picture
    npx quern serve        # the same over HTTP
`,
    '.gitignore': `.quern/
node_modules/
`,
  }
}
