import { describe, expect, it } from '@jest/globals';
import type { Role } from '../bench-scale/roles.js';
import { PHASES, type Phase, type PhaseFigures, type StepFigures } from '../bench-scale/step-figures.js';
import { computedDocuments } from './read-documents.js';
import { at, coefficientsOf } from './coefficients.js';
import { compare, leastSeconds, predict } from './model.js';

const ROLES: Role[] = [
  'gateway',
  'query',
  'command',
  'telemetry',
  'posture',
  'api',
  'nats',
  'redis',
  'fleet',
  'viewer',
];
const MIB = 2 ** 20;

/** A step in which every role takes 2 ms of processor time for each 1,000 endpoints, and 400 bytes for each endpoint. */
function step(agents: number, factor = 1): StepFigures {
  const cpuMs = Object.fromEntries(ROLES.map((role) => [role, (2 * agents * factor) / 1_000])) as PhaseFigures['cpuMs'];
  const phase: PhaseFigures = { ms: agents, cpuMs, messages: 8, bytes: 300 * agents };
  const bytes = (each: number) => Object.fromEntries(ROLES.map((role) => [role, 100 * MIB + each * agents])) as never;
  return {
    ...{ agents, gateways: 1, tls: false, acceptedMs: 1, reachedMs: 1, load: 0, idleMsPerSecond: {} },
    phases: Object.fromEntries(PHASES.map((name) => [name, phase])) as Record<Phase, PhaseFigures>,
    ...{ emptyBytes: bytes(0), fullBytes: bytes(400), turns: {} as never },
  };
}

describe('the model of a fleet', () => {
  const coefficients = coefficientsOf([step(5_000), step(15_000)]);

  it('has the coefficients that the steps were made with', () => {
    expect(coefficients.cpuUs.group.query.slope).toBeCloseTo(2, 6);
    expect(at(coefficients.memory.query, 10_000)).toBeCloseTo(100 * MIB + 4_000_000, 0);
    expect(at(coefficients.messages.group, 1_000_000)).toBeCloseTo(8, 6);
  });

  it('says what a million endpoints are: who knows all of them, and what gateways share', () => {
    const million = predict(coefficients, 1_000_000);
    expect([million.gateways, million.services, million.connections.edge]).toEqual([101, 20, 1_000_000]);
    expect(million.memoryBytes.query).toBeCloseTo(100 * MIB + 400_000_000, -3);
    expect(million.memoryBytes.gateway).toBeLessThan(105 * MIB);
    expect(million.cpuS.group.query).toBeCloseTo(2, 6);
    // One coordinator has the question alone; gateways share what is theirs.
    expect(leastSeconds(million, 'group', 1_000)).toBeCloseTo(2, 6);
    expect(leastSeconds(million, 'group', 2)).toBeCloseTo(8, 6);
    expect(leastSeconds(million, 'connect', 1_000)).toBeCloseTo(2, 6);
    expect(predict(coefficients, 1_000).gateways).toBe(2);
  });

  it('is right about a step like those it was made of, and says how wrong it is about another one', () => {
    expect(Math.max(...compare(coefficients, step(50_000)).map(({ error }) => error))).toBeLessThan(0.001);
    const dearer = compare(coefficients, step(50_000, 2)).find(({ name }) => name === 'processor s, group');
    expect(dearer?.error).toBeCloseTo(0.5, 3);
  });
});

it('the documents have the tables that the kept steps make', () => {
  for (const { written, computed } of computedDocuments()) expect(written).toBe(computed);
});
