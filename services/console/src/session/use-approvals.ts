import type { CommandJson } from '@muster/api-contract';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { client } from '../api/client.js';
import { preferences } from '../preferences/preferences.js';
import { useFollow } from '../stream/use-stream.js';
import { plural } from '../text/numbers.js';
import { visible } from '../text/visible.js';
import { mayApprove } from './may-approve.js';
import { useCan, useMe } from './session.js';

const NONE: readonly CommandJson[] = [];

/**
 * How many commands wait for an approval that this person may give. A new one is told by a notification of the desktop,
 * where that is wanted.
 */
export function useApprovals(): number {
  const can = useCan();
  const { me } = useMe();
  const queryClient = useQueryClient();
  const isAllowed = can('commands:approve');
  useFollow(isAllowed ? { kind: 'commands' } : undefined, ({ event }) => {
    if (event === 'command') void queryClient.invalidateQueries({ queryKey: ['commands', 'awaiting_approval'] });
  });
  const waiting = useQuery({
    queryKey: ['commands', 'awaiting_approval'],
    queryFn: ({ signal }) =>
      client.call('GET /v1/commands', { query: { status: 'awaiting_approval', limit: 200 }, signal }),
    enabled: isAllowed,
  });
  const mine = waiting.data?.items.filter((command) => mayApprove(me, command));
  useNotifications(mine);
  return (mine ?? NONE).length;
}

/** Tells of each command once. Those that waited when the page was opened are not news. */
function useNotifications(commands: readonly CommandJson[] | undefined): void {
  const told = useRef<ReadonlySet<string> | undefined>(undefined);
  const ids = commands?.map(({ id }) => id).join();
  useEffect(() => {
    if (commands === undefined) return;
    const before = told.current;
    told.current = new Set([...(before ?? []), ...commands.map(({ id }) => id)]);
    if (before === undefined) return;
    for (const command of commands) if (!before.has(command.id)) notify(command);
    // The ids say what is new.
  }, [ids]);
}

function notify({ id, action, ledger, operator, reason = '' }: CommandJson): void {
  if (!preferences().notify || !('Notification' in globalThis) || Notification.permission !== 'granted') return;
  const title = `${action} on ${plural(ledger.targeted, 'target')} waits for approval`;
  // Tabs that say the same show it once.
  const shown = new Notification(title, { tag: id, body: visible(`${operator.name}: ${reason}`).slice(0, 200) });
  shown.addEventListener('click', () => {
    globalThis.focus();
    globalThis.location.assign(`/commands/${id}`);
  });
}
