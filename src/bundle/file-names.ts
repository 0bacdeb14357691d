/** Files that every bundle has. */

export const manifestFile = 'quern.json'
export const modelFile = 'model.onnx'
