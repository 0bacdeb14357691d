/** Moved: add checksums and import from package-files.ts. This file goes away. */
export { packageFolder, packedFile } from './package-files.ts'
