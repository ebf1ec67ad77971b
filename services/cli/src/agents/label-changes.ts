import { labelFaults, labelKeyFault } from '@muster/protocol';
import { usageError } from '../terminal/cli-error.js';

export interface LabelChanges {
  readonly set: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
}

/** `env=prod` sets, `env-` removes, as in kubectl. @throws CliError that names every fault */
export function parseLabelChanges(words: readonly string[]): LabelChanges {
  const set: Record<string, string> = {};
  const remove: string[] = [];
  const faults: string[] = [];
  for (const word of words) {
    const at = word.indexOf('=');
    const key = at >= 0 ? word.slice(0, at) : word.endsWith('-') ? word.slice(0, -1) : undefined;
    if (key === undefined) faults.push(`"${word}" is neither key=value nor key-`);
    else if (Object.hasOwn(set, key) || remove.includes(key)) faults.push(`"${key}" is there twice`);
    else if (at >= 0) set[key] = word.slice(at + 1);
    else remove.push(key);
  }
  for (const key of remove) {
    const fault = labelKeyFault(key);
    if (fault !== undefined) faults.push(fault);
  }
  faults.push(...labelFaults(set));
  if (words.length === 0) faults.push('say which labels: key=value sets one, key- removes one');
  if (faults.length > 0) throw usageError(faults.join('; '));
  return { set, remove };
}
