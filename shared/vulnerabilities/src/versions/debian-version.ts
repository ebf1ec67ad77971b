interface DebianVersion {
  readonly epoch: number;
  readonly upstream: string;
  readonly revision: string;
}

/**
 * Negative, 0 or positive, as dpkg orders versions (deb-version(7)). `undefined` when one of them is no version of
 * Debian: nothing is known then.
 */
export function compareDebianVersions(left: string, right: string): number | undefined {
  const [one, other] = [parse(left), parse(right)];
  if (one === undefined || other === undefined) return undefined;
  return (
    one.epoch - other.epoch || compareParts(one.upstream, other.upstream) || compareParts(one.revision, other.revision)
  );
}

function parse(text: string): DebianVersion | undefined {
  // What stands before the first colon is the epoch, and nothing else.
  const [, epoch = '0', rest = ''] = /^(?:([^:]*):)?(.*)$/s.exec(text.trim()) ?? [];
  if (!/^\d{1,9}$/.test(epoch) || rest.length > 512) return undefined;
  const dash = rest.lastIndexOf('-');
  const upstream = dash < 0 ? rest : rest.slice(0, dash);
  const revision = dash < 0 ? '' : rest.slice(dash + 1);
  if (!/^\d[A-Za-z0-9.+~:-]*$/.test(upstream) || (dash >= 0 && !/^[A-Za-z0-9.+~]+$/.test(revision))) return undefined;
  return { epoch: Number(epoch), upstream, revision };
}

/** Texts and numbers in turn. */
function compareParts(left: string, right: string): number {
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    while ((i < left.length && !isDigit(left, i)) || (j < right.length && !isDigit(right, j))) {
      const difference = weight(left, i) - weight(right, j);
      if (difference !== 0) return difference;
      i += 1;
      j += 1;
    }
    const [ours, theirs] = [numberAt(left, i), numberAt(right, j)];
    const difference = ours.digits.length - theirs.digits.length;
    if (difference !== 0) return difference;
    if (ours.digits !== theirs.digits) return ours.digits < theirs.digits ? -1 : 1;
    i = ours.end;
    j = theirs.end;
  }
  return 0;
}

/** `~` comes before the end, the end before letters, letters before the others. A digit ends a text as the end does. */
function weight(text: string, at: number): number {
  if (at >= text.length || isDigit(text, at)) return 0;
  const code = text.charCodeAt(at);
  if (text[at] === '~') return -1;
  return /[A-Za-z]/.test(text[at] ?? '') ? code : code + 256;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}

/** Without leading zeros, so that the longer one is greater. */
function numberAt(text: string, at: number): { digits: string; end: number } {
  let end = at;
  while (end < text.length && isDigit(text, end)) end += 1;
  return { digits: text.slice(at, end).replace(/^0+/, ''), end };
}
