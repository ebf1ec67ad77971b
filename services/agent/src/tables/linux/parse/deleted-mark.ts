/** The kernel writes it behind the name of a file that is gone (proc_pid_exe(5)). A file that is there may be named so, too. */
const MARK = ' (deleted)';

/**
 * A name of the kernel without its mark. `isNamedSo` looks whether the file itself is at the name as it stands; it is
 * asked only where the name has what looks like the mark.
 */
export function withoutDeletedMark(
  name: string,
  isNamedSo: () => boolean,
): { readonly path: string; readonly isGone: boolean } {
  if (!name.endsWith(MARK) || isNamedSo()) return { path: name, isGone: false };
  return { path: name.slice(0, -MARK.length), isGone: true };
}

interface FileId {
  readonly dev: bigint;
  readonly ino: bigint;
}

export function isSameFile(one: FileId | undefined, other: FileId | undefined): boolean {
  return one !== undefined && other !== undefined && one.dev === other.dev && one.ino === other.ino;
}
