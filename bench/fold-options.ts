/** Options that every benchmark of folds has: light, as records are. */
export const foldOptions = {
  folds: { default: 5, summary: 'parts of the data' },
  repeats: { default: 1, summary: 'times that the parts are drawn anew' },
  inner: { default: 3, summary: 'parts of the training rows that settings are chosen by' },
} as const
