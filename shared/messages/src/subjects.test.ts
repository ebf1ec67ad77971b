import { describe, expect, it } from '@jest/globals';
import {
  newGatewayId,
  newCoordinatorId,
  newQueryId,
  type AgentId,
  type CommandServiceId,
  type GatewayId,
  type OrgId,
} from '@muster/protocol';
import { SUBJECTS } from './subjects.js';
import { STREAM_SUBJECTS, parseIdentitySubject, STREAMS } from '@muster/records';

const org = 'acme' as OrgId;
const agent = 'eh7ddx5bksrgcytl7bkai36s' as AgentId;

describe('subjects', () => {
  it.each(['*', '>', 'a.b', 'a b', '', 'a\n', 'ä'])('take no part "%s" from outside', (part) => {
    expect(() => SUBJECTS.gateway(part as GatewayId)).toThrow(RangeError);
    expect(() => STREAM_SUBJECTS.enrolled(part as OrgId, agent)).toThrow(RangeError);
    expect(() => STREAM_SUBJECTS.operatorToken(org, part)).toThrow(RangeError);
  });

  it('are different for different things', () => {
    const coordinator = newCoordinatorId();
    const query = newQueryId(1);
    const all = [
      SUBJECTS.gateways,
      SUBJECTS.gateway(newGatewayId()),
      SUBJECTS.gatewayHeartbeats,
      SUBJECTS.coordinatorInbox(coordinator),
      SUBJECTS.coordinator(coordinator),
      SUBJECTS.coordinatorHeartbeats,
      SUBJECTS.apiCalls('api-1'),
      SUBJECTS.queries,
      SUBJECTS.queryService(coordinator),
      SUBJECTS.commands,
      SUBJECTS.commandService('cs-1' as CommandServiceId),
      SUBJECTS.commandReports,
      SUBJECTS.commandServiceReports('cs-1' as CommandServiceId),
      STREAM_SUBJECTS.enrolled(org, agent),
      STREAM_SUBJECTS.facts(org, agent),
      STREAM_SUBJECTS.labels(org, agent),
      STREAM_SUBJECTS.revoked(org, agent),
      STREAM_SUBJECTS.duplicate(org, agent),
      STREAM_SUBJECTS.query(org, query),
      STREAM_SUBJECTS.result(org, query),
      STREAM_SUBJECTS.audit(org),
      STREAM_SUBJECTS.operatorToken(org, 't1'),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  it('of records belong to one stream each, and live ones to none', () => {
    const patterns = Object.values(STREAMS).flatMap(({ subjects }) => subjects.map((one) => one.replace('.>', '.')));
    const homes = (subject: string): number => patterns.filter((pattern) => subject.startsWith(pattern)).length;
    const stored = [
      STREAM_SUBJECTS.enrolled(org, agent),
      STREAM_SUBJECTS.query(org, newQueryId(1)),
      STREAM_SUBJECTS.result(org, newQueryId(1)),
      STREAM_SUBJECTS.audit(org),
      STREAM_SUBJECTS.operatorToken(org, 't1'),
    ];
    for (const subject of stored) expect([subject, homes(subject)]).toEqual([subject, 1]);
    for (const subject of [SUBJECTS.queries, SUBJECTS.gateways, SUBJECTS.coordinatorHeartbeats])
      expect(homes(subject)).toBe(0);
  });

  it('of identities can be read back', () => {
    expect(parseIdentitySubject(STREAM_SUBJECTS.labels(org, agent))).toEqual({ org, kind: 'labels', agentId: agent });
    expect(parseIdentitySubject(STREAM_SUBJECTS.audit(org))).toBeUndefined();
    expect(parseIdentitySubject(`${STREAM_SUBJECTS.labels(org, agent)}.more`)).toBeUndefined();
  });
});
