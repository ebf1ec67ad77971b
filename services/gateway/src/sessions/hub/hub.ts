import type { AgentId, OrgId, Selector, SessionMode } from '@muster/protocol';
import { isPerEndpoint, profileMatches, type Profile } from '../../foundation/profile.js';
import type { HubView, SessionView } from '../../foundation/session-view.js';
import type { FrameTraffic } from '../../traffic/frame-traffic.js';
import type { Session } from './session.js';

interface Group {
  readonly profile: Profile;
  readonly sessions: Set<Session>;
}

/** All ready sessions of this gateway, found by agent and by selector. */
export class Hub implements HubView {
  readonly #byAgent = new Map<AgentId, Session>();
  readonly #byOrg = new Map<OrgId, Map<string, Group>>();
  readonly #traffic: Pick<FrameTraffic, 'live' | 'poll'> | undefined;
  #changes = new Map<number, SessionMode | 'ended'>();

  /** `traffic` counts how long there were sessions of each channel. */
  constructor(traffic?: Pick<FrameTraffic, 'live' | 'poll'>) {
    this.#traffic = traffic;
  }

  get size(): number {
    return this.#byAgent.size;
  }

  get(agentId: AgentId): Session | undefined {
    return this.#byAgent.get(agentId);
  }

  sessions(): IterableIterator<Session> {
    return this.#byAgent.values();
  }

  /** Sessions began or ended since the last `takeChanges`. */
  get hasChanged(): boolean {
    return this.#changes.size > 0;
  }

  /** What became of the agents, by number, whose sessions began or ended since the last call. */
  takeChanges(): ReadonlyMap<number, SessionMode | 'ended'> {
    const changes = this.#changes;
    this.#changes = new Map();
    return changes;
  }

  /** Adds a session that has its profile, in place of an older one of the same agent; equal profiles are shared from here on. */
  add(session: Session): void {
    const { profile } = session;
    if (profile === undefined) throw new TypeError('a session needs its profile before it joins the hub');
    const former = this.#byAgent.get(session.agentId);
    if (former !== undefined) this.remove(former);
    this.#byAgent.set(session.agentId, session);
    this.#changes.set(session.num, session.mode);
    this.#traffic?.[session.mode].sessionBegan();
    const groups = this.#byOrg.get(session.org) ?? new Map<string, Group>();
    this.#byOrg.set(session.org, groups);
    const group = groups.get(profile.key) ?? { profile, sessions: new Set<Session>() };
    groups.set(profile.key, group);
    session.profile = group.profile;
    group.sessions.add(session);
  }

  /** Forgets this very session; a newer one of the same agent stays. Tells whether it was there. */
  remove(session: Session): boolean {
    if (this.#byAgent.get(session.agentId) !== session) return false;
    this.#byAgent.delete(session.agentId);
    this.#changes.set(session.num, 'ended');
    this.#traffic?.[session.mode].sessionEnded();
    const groups = this.#byOrg.get(session.org);
    const group = groups?.get(session.profile?.key ?? '');
    group?.sessions.delete(session);
    if (group?.sessions.size === 0) groups?.delete(group.profile.key);
    if (groups?.size === 0) this.#byOrg.delete(session.org);
    return true;
  }

  /** Moves a session under the profile that its new labels make. */
  relabel(session: Session, profile: Profile): void {
    if (!this.remove(session)) return;
    session.profile = profile;
    this.add(session);
  }

  select(org: OrgId, selector: Selector): Session[] {
    const perEndpoint = isPerEndpoint(selector);
    const selected: Session[] = [];
    for (const { profile, sessions } of this.#byOrg.get(org)?.values() ?? []) {
      if (perEndpoint) {
        for (const session of sessions) if (profileMatches(selector, profile, session)) selected.push(session);
      } else if (profileMatches(selector, profile)) {
        for (const session of sessions) selected.push(session);
      }
    }
    return selected;
  }

  matches(session: SessionView, selector: Selector): boolean {
    return session.profile !== undefined && profileMatches(selector, session.profile, session);
  }
}
