import type { Candidate } from '../contract/instance-selection.js';
import { linesOf } from './sections.js';

const COLUMNS = ['Ibytes', 'Obytes', 'Ipkts', 'Opkts', 'Ierrs', 'Oerrs'];
/** The ends of virtual machines: their traffic is that of a bridge, too. */
const OF_A_GUEST = /^(?:vmenet|vmnet|feth)\d/;

export function judgeInterface(key: string): 'take' | 'omit' {
  return OF_A_GUEST.test(key) ? 'omit' : 'take';
}

/**
 * Reads `netstat -ibdn` (netstat(1)): of each interface the line of its link, as the lines of its addresses repeat the
 * numbers. Not every interface has an address there, so columns are counted from the end. Loopback is left out.
 */
export function parseInterfaces(text: string): Candidate[] {
  const [head = '', ...lines] = linesOf(text);
  const names = head.trim().split(/\s+/);
  const found: Candidate[] = [];
  for (const line of lines) {
    const words = line.trim().split(/\s+/);
    const [name = '', , network] = words;
    // The name of one that is down ends with a star.
    const key = name.replace(/\*$/, '');
    if (network === undefined || !/^<Link#\d+>$/.test(network) || !/^[a-z][\w.-]*$/i.test(key) || /^lo\d/.test(key))
      continue;
    const of = (column: string): number => {
      const at = names.indexOf(column);
      const word = at === -1 ? undefined : words.at(at - names.length);
      return word !== undefined && /^\d{1,20}$/.test(word) ? Number(word) : Number.NaN;
    };
    const [received, sent, ...rest] = COLUMNS.map(of) as [number, number, ...number[]];
    // Only drops of what is sent are counted.
    found.push({ key, values: [received, sent, ...rest, Number.NaN, of('Drop')], activity: received + sent });
  }
  return found;
}
