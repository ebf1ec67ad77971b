import { StreamError } from '@muster/bus';
import type { PostureRequest } from '@muster/messages';
import { AppError } from '@muster/protocol';

/** A part of what this service knows from the broker. */
export interface KnownView {
  /** Resolves when it has everything that is kept now. @throws StreamError when it cannot be read in time */
  current(): Promise<void>;
}

export type ViewName = 'packs' | 'scans' | 'schedules' | 'exceptions' | 'feeds' | 'vulnerabilities';

/** Every request, and what has to be known whole before it is answered. Those without read the broker itself. */
const NEEDS: Readonly<Record<PostureRequest['t'], readonly ViewName[]>> = {
  store_pack: ['packs'],
  list_packs: ['packs'],
  show_pack: ['packs'],
  propose_pack: ['packs'],
  list_proposals: ['packs'],
  show_proposal: ['packs'],
  reject_proposal: ['packs'],
  remove_pack: ['packs', 'schedules'],
  start_scan: ['packs'],
  list_scans: ['scans'],
  show_scan: ['scans'],
  scan_findings: ['packs', 'exceptions'],
  scan_endpoints: ['packs', 'exceptions'],
  scan_scores: ['packs', 'exceptions'],
  create_schedule: ['packs', 'schedules'],
  list_schedules: ['schedules'],
  show_schedule: [],
  change_schedule: ['packs'],
  create_exception: ['packs', 'exceptions'],
  list_exceptions: ['exceptions'],
  delete_exception: [],
  list_feeds: ['feeds'],
  show_feed: ['feeds'],
  begin_feed: ['feeds'],
  store_feed_part: [],
  end_feed: ['feeds'],
  delete_feed: ['feeds'],
  start_vulnerability_scan: ['vulnerabilities'],
  list_vulnerability_scans: ['vulnerabilities'],
  show_vulnerability_scan: ['vulnerabilities'],
  list_vulnerabilities: ['vulnerabilities'],
  show_vulnerability: ['vulnerabilities'],
};

export function isPostureRequest(kind: string): kind is PostureRequest['t'] {
  return Object.hasOwn(NEEDS, kind);
}

/**
 * What this service has read of what it and others wrote. Another instance may have written a moment ago, or while this
 * one stood still: only when it has read that, it knows that something does not exist.
 */
export class KnownViews {
  readonly #views: Readonly<Record<ViewName, KnownView>>;

  constructor(views: Readonly<Record<ViewName, KnownView>>) {
    this.#views = views;
  }

  /** @throws AppError `broker_unavailable` */
  async currentFor(kind: PostureRequest['t']): Promise<void> {
    try {
      await Promise.all(NEEDS[kind].map((name) => this.#views[name].current()));
    } catch (cause) {
      if (!(cause instanceof StreamError)) throw cause;
      const message = 'what is kept of scans cannot be read now; try again in a moment';
      throw new AppError('broker_unavailable', message, { cause });
    }
  }
}
