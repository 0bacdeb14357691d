/** Moved: add checksums and import from package-files.ts. This file goes away. */
export { packageFolder as debianFolder } from './package-files.ts'
