import { followView, type Entry, type FollowedView, type StreamStore } from '@muster/bus';
import type { AgentId, OrgId } from '@muster/protocol';
import { parseIdentitySubject, STREAMS } from '@muster/records';
import type { Logger } from '@muster/runtime';

export interface FollowIdentitiesOptions {
  /** One kind of record of all identities (`STREAM_SUBJECTS.all…`). */
  readonly subject: string;
  readonly logger: Logger;
  /** The stream was made again. Without it, what was taken before stays. */
  readonly reset?: () => void;
  /** May throw: a record that cannot be read is logged and left out. */
  readonly take: (entry: Entry, org: OrgId, agentId: AgentId) => void;
}

/** Follows one kind of record about identities; resolves when all that are stored now were taken. */
export function followIdentities(streams: StreamStore, options: FollowIdentitiesOptions): Promise<FollowedView> {
  const { subject, logger, reset, take } = options;
  return followView(streams, {
    stream: STREAMS.identities.name,
    ...{ subject, logger },
    ...(reset === undefined ? {} : { reset }),
    apply: (entry) => {
      const parts = parseIdentitySubject(entry.subject);
      if (parts === undefined) return;
      try {
        take(entry, parts.org, parts.agentId);
      } catch (error) {
        logger.error('unreadable identity record ignored', { err: error, seq: entry.seq });
      }
    },
  });
}
