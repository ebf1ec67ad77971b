import { fitLine, type Fit, type Point } from '../measure/linear-fit.js';
import { SERVICES, type Role, type Service } from '../bench-scale/roles.js';
import { PHASES, type Phase, type StepFigures } from '../bench-scale/step-figures.js';

export type StoreRole = Service | 'nats' | 'redis';
export const STORES: readonly StoreRole[] = [...SERVICES, 'nats', 'redis'];
export const PROGRAMS: readonly Role[] = [...STORES];

/** What one endpoint costs, measured. Processor time is beyond that of an idle process. */
export interface Coefficients {
  /** Microseconds of processor time of all processes of a role, for each endpoint. */
  readonly cpuUs: Readonly<Record<Phase, Readonly<Record<Role, Fit>>>>;
  /** Resident bytes: those of a process without endpoints, and of each endpoint. */
  readonly memory: Readonly<Record<StoreRole, Fit>>;
  /** What NATS takes in. */
  readonly messages: Readonly<Record<Phase, Fit>>;
  readonly bytes: Readonly<Record<Phase, Fit>>;
}

/** Fits all figures of the steps; one step makes lines through zero. */
export function coefficientsOf(steps: readonly StepFigures[]): Coefficients {
  const fit = (of: (step: StepFigures) => number): Fit => fitLine(steps.map((step): Point => [step.agents, of(step)]));
  const eachPhase = <T>(of: (phase: Phase) => T): Record<Phase, T> =>
    Object.fromEntries(PHASES.map((phase) => [phase, of(phase)])) as Record<Phase, T>;
  const roles = Object.keys(steps[0]?.phases.group.cpuMs ?? {}) as Role[];
  return {
    cpuUs: eachPhase(
      (phase) =>
        Object.fromEntries(
          roles.map((role) => [role, fit((step) => step.phases[phase].cpuMs[role] * 1_000)]),
        ) as Record<Role, Fit>,
    ),
    // A process that starts is not what endpoints cost: what it has without them is known, and is not fitted.
    memory: Object.fromEntries(STORES.map((role) => [role, memoryFit(steps, role)])) as Record<StoreRole, Fit>,
    messages: eachPhase((phase) => fit((step) => step.phases[phase].messages)),
    bytes: eachPhase((phase) => fit((step) => step.phases[phase].bytes)),
  };
}

/** The slope is that of what the fleet added; the base is the median of the processes before it came. */
function memoryFit(steps: readonly StepFigures[], role: StoreRole): Fit {
  const added = fitLine(steps.map((step): Point => [step.agents, step.fullBytes[role] - step.emptyBytes[role]]));
  const empty = steps.map((step) => step.emptyBytes[role] / instancesOf(step, role)).toSorted((a, b) => a - b);
  return { ...added, base: added.base + (empty[Math.floor(empty.length / 2)] ?? 0) };
}

function instancesOf(step: StepFigures, role: StoreRole): number {
  return role === 'gateway' ? step.gateways : 1;
}

/** The value of a line at a size; 0 of one that was not measured. What never showed does not grow. */
export function at(fit: Fit | undefined, size: number): number {
  return fit === undefined ? 0 : fit.base + slopeOf(fit) * size;
}

export const slopeOf = ({ slope }: Fit): number => (Number.isNaN(slope) ? 0 : slope);
