import { useSyncExternalStore } from 'react';
import { client } from '../api/client.js';

/** Calls that wait until their person has signed in again; one dialog is for all of them. */
let waiting: ((hasSignedIn: boolean) => void)[] = [];
const listeners = new Set<() => void>();

function tell(): void {
  for (const listener of listeners) listener();
}

/** From now on calls that need a recent sign-in wait for one. */
export function askForSignIns(): void {
  client.asker = () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      tell();
    });
}

/** Lets the calls go on, or fail. */
export function endWaiting(hasSignedIn: boolean): void {
  const ended = waiting;
  waiting = [];
  for (const resolve of ended) resolve(hasSignedIn);
  tell();
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
