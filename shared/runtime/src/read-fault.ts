/** Why a file cannot be read, in a word for people: the code of the system's error, such as `ENOENT`. */
export function readFault(error: unknown): string {
  // Not `instanceof`, which is false across realms (Jest, worker threads).
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'error';
}
