import { z } from 'zod';
import { LIMITS } from './limits.js';

/** Labels as in Kubernetes: short keys with short values. */
export type Labels = Readonly<Record<string, string>>;

/** Label names whose values come from an endpoint's facts; they cannot be set. */
export const BUILT_IN_LABELS = ['id', 'host', 'os', 'arch', 'version', 'mode'] as const;

const KEY = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;

/** Why `key` cannot be set as a label, or `undefined`. Syntax of kubernetes.io "Labels and Selectors". */
export function labelKeyFault(key: string): string | undefined {
  const name = key.slice(key.indexOf('/') + 1);
  if (name.length > LIMITS.labelKeyBytes || !KEY.test(key))
    return `label key "${key.slice(0, 80)}" is not of the form [prefix/]name`;
  if ((BUILT_IN_LABELS as readonly string[]).includes(key)) return `label "${key}" is built in and cannot be set`;
  return undefined;
}

/** Why `value` cannot be a label's value, or `undefined`. */
export function labelValueFault(value: string): string | undefined {
  if (value.length > LIMITS.labelValueBytes || !VALUE.test(value)) {
    return `label value "${value.slice(0, 80)}" must be at most ${LIMITS.labelValueBytes} letters, digits, "-", "_" or "."`;
  }
  return undefined;
}

/** Every fault of a set of labels, for one message. */
export function labelFaults(labels: Labels): string[] {
  const entries = Object.entries(labels);
  const faults = entries.length > LIMITS.labels ? [`more than ${LIMITS.labels} labels`] : [];
  for (const [key, value] of entries) {
    for (const fault of [labelKeyFault(key), labelValueFault(value)]) if (fault !== undefined) faults.push(fault);
  }
  return faults;
}

/** Labels as somebody sets them, with every fault as an issue of its own. */
export const labelsSchema = z.preprocess(
  (value, context) => {
    // A record drops this key without a word; whoever sets it must hear that it is none.
    const fault = typeof value === 'object' && value !== null && Object.hasOwn(value, '__proto__');
    if (fault) context.addIssue({ code: 'custom', message: labelKeyFault('__proto__') ?? '' });
    return value;
  },
  z.record(z.string(), z.string()).superRefine((value, context) => {
    for (const fault of labelFaults(value)) context.addIssue({ code: 'custom', message: fault });
  }),
);
