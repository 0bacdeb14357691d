/**
 * Memory that nobody uses any more, given back to the system. Graphs are built of many small objects that live for a moment: V8's young generation grows to 32 MB by them and stays as large,
 * since it becomes smaller only where little was allocated in the last seconds, or when the system is short of memory. That is what it is told here, by the protocol of its inspector
 * (`HeapProfiler.collectGarbage`); no port is opened for that.
 */
export async function giveMemoryBack(): Promise<void> {
  let session: import('node:inspector').Session
  try {
    const { Session } = await import('node:inspector')
    session = new Session()
    session.connect()
  } catch {
    // A Node that was built without an inspector: the memory stays.
    return
  }
  await new Promise<void>((resolve) => session.post('HeapProfiler.collectGarbage', () => resolve()))
  session.disconnect()
}
