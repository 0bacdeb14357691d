/** What the pure parts need from the outside world, as interfaces; adapters stand in store/ and at the composition roots. */

/** Named bytes: a folder, a bucket. Keys use '/' and never leave the store. */
export interface BlobStore {
  read(key: string): Promise<Uint8Array>
  /** Replaces the whole blob or leaves the old one as it was: never a half-written one, also when the disk is full. */
  write(key: string, bytes: Uint8Array): Promise<void>
  exists(key: string): Promise<boolean>
  list(prefix: string): Promise<string[]>
  remove(key: string): Promise<void>
  /** Where a blob lies in the file system, for libraries that map files into memory; absent for stores elsewhere. */
  pathOf?(key: string): Promise<string>
}

export interface Clock {
  /** milliseconds since 1970 */
  now(): number
}

export interface Log {
  info(message: string): void
  warn(message: string): void
}
