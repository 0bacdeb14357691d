/** What a failing disk tells the user: the file, the reason in words, and what to do. */
import { messageOf, QuernError } from '../core/errors.ts'

export function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code
}

const reasons: Readonly<Record<string, readonly [reason: string, hint: string]>> = {
  ENOSPC: ['the disk is full', 'Free some space and try again'],
  EDQUOT: ['the disk quota is used up', 'Free some space and try again'],
  EFBIG: ['the file would be larger than the system allows', 'Raise the limit of file sizes (ulimit -f) and try again'],
  EACCES: ['no permission', 'Check who owns the folder and its permissions'],
  EPERM: ['no permission', 'Check who owns the folder and its permissions'],
  EROFS: ['the disk is read-only', 'Choose a folder on a disk that can be written'],
  ENOENT: ['the folder does not exist', 'Make the folder, or choose another'],
  ENOTDIR: ['a file stands where a folder is needed', 'Move that file away, or choose another folder'],
  EEXIST: ['a file stands where a folder is needed', 'Move that file away, or choose another folder'],
  EISDIR: ['a folder stands where a file is needed', 'Move that folder away, or choose another name'],
  ENAMETOOLONG: ['the name is too long', 'Choose a shorter name'],
  EMFILE: ['too many files are open', 'Raise the limit of open files (ulimit -n) and try again'],
  EIO: ['the disk reported an error', 'Check the disk; copy away what is still readable'],
}

/** A QuernError 'io' for a failed file operation; `bytes` is what was to be written. */
export function fileError(verb: 'read' | 'write' | 'remove', path: string, cause: unknown, bytes?: number): QuernError {
  if (cause instanceof QuernError) return cause
  const [reason, advice] = reasons[codeOf(cause) ?? ''] ?? [messageOf(cause), undefined]
  const size = bytes === undefined ? '' : ` (${bytes.toLocaleString('en-US')} bytes)`
  const kept = verb === 'write' ? 'What was written before is unchanged.' : ''
  const hint = [advice && `${advice}.`, kept].filter(Boolean).join(' ') || undefined
  return new QuernError('io', `cannot ${verb} ${path}${size}: ${reason}`, { hint, cause })
}
