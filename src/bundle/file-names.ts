/** Files of bundles. */

export const manifestFile = 'quern.json'
export const modelFile = 'model.onnx'
/** how the training split was spread; bundles of other makers have none */
export const profileFile = 'profile.json'
