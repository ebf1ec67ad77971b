import type { CommandEvent, CommandJson, CommandTargetChangeJson } from '@muster/api-contract';
import { useReducer } from 'react';
import type { StreamEvent } from '../stream/protocol.js';
import { useFollow, useLink } from '../stream/use-stream.js';

/** A command as its events tell it. */
export interface CommandFeed {
  readonly command: CommandJson | undefined;
  readonly targets: readonly CommandTargetChangeJson[];
  readonly problem: { readonly code?: string; readonly detail?: string } | undefined;
  readonly isStalled: boolean;
}

/** What is no longer so with the next event. */
const GOES_ON = { isStalled: false, problem: undefined };
const NOTHING: CommandFeed = { command: undefined, targets: [], problem: undefined, isStalled: false };

/** Follows a command from its first event: each target as it changes, the ledger, the end. */
export function useCommandFeed(commandId: string): CommandFeed & { readonly isLost: boolean } {
  const [feed, take] = useReducer(afterEvent, NOTHING);
  useFollow({ kind: 'command', commandId, targets: 'all' }, take);
  const link = useLink();
  return { ...feed, isLost: link.state === 'lost' && feed.command?.status !== 'ended' };
}

/** Events may come twice after a reconnect: a target is replaced by its number. */
export function afterEvent(feed: CommandFeed, event: StreamEvent): CommandFeed {
  if (event.event === 'refused')
    return { ...feed, problem: (event['problem'] ?? {}) as NonNullable<CommandFeed['problem']> };
  if (event.event === 'closed') return feed;
  const told = event as unknown as CommandEvent;
  switch (told.event) {
    case 'command':
    case 'ended':
      return { ...feed, ...GOES_ON, command: told.command };
    case 'ledger':
      return { ...feed, ...GOES_ON, command: feed.command && { ...feed.command, ledger: told.ledger } };
    case 'targets': {
      const targets = [...feed.targets];
      for (const target of told.targets) targets[target.number - 1] = target;
      return { ...feed, ...GOES_ON, targets };
    }
    case 'stalled':
      return { ...feed, isStalled: true };
    default:
      return feed;
  }
}
