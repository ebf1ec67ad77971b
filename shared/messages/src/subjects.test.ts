import { describe, expect, it } from '@jest/globals';
import { newGatewayId, newCoordinatorId, newQueryId, type AgentId, type GatewayId, type OrgId } from '@muster/protocol';
import { SUBJECTS } from './subjects.js';
import { KEPT, parseIdentitySubject, STREAMS } from '@muster/records';

const org = 'acme' as OrgId;
const agent = 'eh7ddx5bksrgcytl7bkai36s' as AgentId;

describe('subjects', () => {
  it.each(['*', '>', 'a.b', 'a b', '', 'a\n', 'ä'])('take no part "%s" from outside', (part) => {
    expect(() => SUBJECTS.gateway(part as GatewayId)).toThrow(RangeError);
    expect(() => KEPT.enrolled(part as OrgId, agent)).toThrow(RangeError);
    expect(() => KEPT.operatorToken(org, part)).toThrow(RangeError);
  });

  it('are different for different things', () => {
    const owner = newCoordinatorId();
    const query = newQueryId(1);
    const all = [
      SUBJECTS.gateways,
      SUBJECTS.gateway(newGatewayId()),
      SUBJECTS.gatewayHeartbeats,
      SUBJECTS.coordinatorInbox(owner),
      SUBJECTS.owner(owner),
      SUBJECTS.coordinatorHeartbeats,
      SUBJECTS.queries,
      KEPT.enrolled(org, agent),
      KEPT.facts(org, agent),
      KEPT.labels(org, agent),
      KEPT.revoked(org, agent),
      KEPT.duplicate(org, agent),
      KEPT.query(org, query),
      KEPT.result(org, query),
      KEPT.audit(org),
      KEPT.operatorToken(org, 't1'),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  it('of kept things belong to one stream each, and live ones to none', () => {
    const patterns = Object.values(STREAMS).flatMap(({ subjects }) => subjects.map((one) => one.replace('.>', '.')));
    const homes = (subject: string): number => patterns.filter((pattern) => subject.startsWith(pattern)).length;
    const kept = [
      KEPT.enrolled(org, agent),
      KEPT.query(org, newQueryId(1)),
      KEPT.result(org, newQueryId(1)),
      KEPT.audit(org),
      KEPT.operatorToken(org, 't1'),
    ];
    for (const subject of kept) expect([subject, homes(subject)]).toEqual([subject, 1]);
    for (const subject of [SUBJECTS.queries, SUBJECTS.gateways, SUBJECTS.coordinatorHeartbeats])
      expect(homes(subject)).toBe(0);
  });

  it('of identities can be read back', () => {
    expect(parseIdentitySubject(KEPT.labels(org, agent))).toEqual({ org, kind: 'labels', agentId: agent });
    expect(parseIdentitySubject(KEPT.audit(org))).toBeUndefined();
    expect(parseIdentitySubject(`${KEPT.labels(org, agent)}.more`)).toBeUndefined();
  });
});
