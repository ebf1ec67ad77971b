import { OUTCOMES, type Outcome } from '@muster/protocol';

/**
 * An endpoint's entry in a ledger is one small integer. Its bits are: the state; whether the answer carries its number (attributed);
 * whether the endpoint polls; and the index of the gateway that it waits at or was settled by. A million entries are one array of integers,
 * and a change of state is one write to it.
 */
export type Entry = number;

/** Why an endpoint has no answer: its outcome, a code and a message. */
export type Reason = readonly [Outcome, string, string];

export const STATES: readonly ('waiting' | Outcome)[] = ['waiting', ...OUTCOMES];

export const codeOf = (state: 'waiting' | Outcome): number => STATES.indexOf(state);

export const WAITING = 0;
export const ANSWERED = codeOf('answered');
export const EMPTY = codeOf('empty');
export const UNREACHABLE = codeOf('unreachable');

/** Outcomes that the endpoint itself did not report: it may reconnect and answer after all. */
const RECOVERABLE: ReadonlySet<number> = new Set([codeOf('disconnected'), codeOf('unreachable'), codeOf('timed_out')]);

export const isRecoverable = (state: number): boolean => RECOVERABLE.has(state);

const STATE_MASK = 15;
const ATTRIBUTED = 16;
const POLLS = 32;
const GATEWAY_SHIFT = 6;

export const entryOf = (gateway: number, attributed: boolean, state: number): Entry =>
  (gateway << GATEWAY_SHIFT) | (attributed ? ATTRIBUTED : 0) | state;

/** An endpoint that has settled: nobody asks any more whether its answer carried its number. */
export const settledAt = (gateway: number, state: number): Entry => entryOf(gateway, true, state);

export const stateOf = (entry: Entry): number => entry & STATE_MASK;
export const gatewayOf = (entry: Entry): number => entry >> GATEWAY_SHIFT;
export const isAttributed = (entry: Entry): boolean => (entry & ATTRIBUTED) !== 0;
export const isPolled = (entry: Entry): boolean => (entry & POLLS) !== 0;
export const withPolls = (entry: Entry, polls: boolean): Entry => (polls ? entry | POLLS : entry & ~POLLS);
