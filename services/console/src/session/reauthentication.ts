import { useSyncExternalStore } from 'react';
import { client } from '../api/client.js';

/** Who somebody is, as `GET /v1/me` and sessions say it. */
export interface Person {
  readonly org: string;
  readonly kind: string;
  readonly id: string;
}

/** How the wait of a call ended. `other`: somebody else than its person has signed in. */
export type SignInOutcome = 'signed_in' | 'given_up' | 'other';

interface WaitingCall {
  /** The person by whom it was made; `undefined` where nobody knew yet. */
  readonly by: string | undefined;
  readonly resolve: (outcome: SignInOutcome) => void;
}

/** Calls that wait until their person has signed in again; one dialog is for all of them. */
let waiting: WaitingCall[] = [];
/** Who sits there, as far as this page knows. */
let person: string | undefined;
const listeners = new Set<() => void>();

/** As `personText` of the contract writes it. */
export function keyOf({ org, kind, id }: Person): string {
  return [org, kind, id].map(encodeURIComponent).join('/');
}

function endWhere(outcomeOf: (call: WaitingCall) => SignInOutcome | undefined): void {
  const outcomes = waiting.map((call) => ({ call, outcome: outcomeOf(call) }));
  waiting = outcomes.filter(({ outcome }) => outcome === undefined).map(({ call }) => call);
  for (const { call, outcome } of outcomes) if (outcome !== undefined) call.resolve(outcome);
  for (const listener of listeners) listener();
}

/** From now on calls that need a recent sign-in wait for one of the person who made them. */
export function askForSignIns(): void {
  client.asker = {
    person: () => person,
    wait: (by) =>
      new Promise((resolve) => {
        waiting.push({ by, resolve });
        endWhere((call) => (call.by === person ? undefined : 'other'));
      }),
  };
}

/** To call with what the server says of who sits there. Calls that somebody else made wait no longer, and fail. */
export function notePerson(who: Person): void {
  person = keyOf(who);
  endWhere(({ by }) => (by === person ? undefined : 'other'));
}

/** Somebody has signed in: their own calls go on, and those of others fail. */
export function endWaitingAs(who: Person): void {
  const key = keyOf(who);
  endWhere(({ by }) => (by === key ? 'signed_in' : 'other'));
}

/** Nobody signs in: all calls fail. */
export function giveUpWaiting(): void {
  endWhere(() => 'given_up');
}

/** Whether a call waits. */
export function useSignInWanted(): boolean {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => waiting.length > 0,
  );
}

/** Tabs of one browser have one session: the others are told that somebody has signed in. */
const CHANNEL = 'muster.signed-in';

export function tellTabs(): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage('signed in');
  channel.close();
}

/** Calls `then` when somebody has signed in in another tab, until the function that is returned is called. */
export function onOtherTabs(then: () => void): () => void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.addEventListener('message', then);
  return () => channel.close();
}
