/**
 * Negative, 0 or positive, as RPM orders `[epoch:]version[-release]`. A missing epoch is 0; releases are compared when
 * both have one. `undefined` when one of them is no version of RPM.
 */
export function compareRpmVersions(left: string, right: string): number | undefined {
  const [one, other] = [parse(left), parse(right)];
  if (one === undefined || other === undefined) return undefined;
  const difference = one.epoch - other.epoch || compareRpmParts(one.version, other.version);
  if (difference !== 0 || one.release === undefined || other.release === undefined) return difference;
  return compareRpmParts(one.release, other.release);
}

function parse(text: string): { epoch: number; version: string; release: string | undefined } | undefined {
  const [, epoch = '0', version, release] =
    /^(?:(\d{1,9}):)?([A-Za-z0-9._+~^]{1,256})(?:-([A-Za-z0-9._+~^]{1,256}))?$/.exec(text.trim()) ?? [];
  return version === undefined ? undefined : { epoch: Number(epoch), version, release };
}

/** One version or one release, as rpmvercmp() of RPM 4.15 and later does: `~` is older than the end, `^` newer. */
export function compareRpmParts(left: string, right: string): number {
  if (left === right) return 0;
  let [one, other] = [left, right];
  for (;;) {
    one = one.replace(/^[^A-Za-z0-9~^]+/, '');
    other = other.replace(/^[^A-Za-z0-9~^]+/, '');
    if (one.startsWith('~') || other.startsWith('~')) {
      if (!one.startsWith('~')) return 1;
      if (!other.startsWith('~')) return -1;
    } else if (one.startsWith('^') || other.startsWith('^')) {
      if (one === '') return -1;
      if (other === '') return 1;
      if (!one.startsWith('^')) return 1;
      if (!other.startsWith('^')) return -1;
    } else {
      if (one === '' || other === '') return one.length - other.length;
      const isNumber = /^\d/.test(one);
      const segment = isNumber ? /^\d*/ : /^[A-Za-z]*/;
      const [ours, theirs] = [segment.exec(one)?.[0] ?? '', segment.exec(other)?.[0] ?? ''];
      // A number is newer than letters.
      if (theirs === '') return isNumber ? 1 : -1;
      const difference = isNumber ? compareNumbers(ours, theirs) : compareBytes(ours, theirs);
      if (difference !== 0) return difference;
      one = one.slice(ours.length);
      other = other.slice(theirs.length);
      continue;
    }
    one = one.slice(1);
    other = other.slice(1);
  }
}

function compareNumbers(left: string, right: string): number {
  const [one, other] = [left.replace(/^0+/, ''), right.replace(/^0+/, '')];
  return one.length - other.length || compareBytes(one, other);
}

function compareBytes(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
