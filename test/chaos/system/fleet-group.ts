import type { FleetProcess } from '../../load/fleet/fleet-process.js';
import type { PresenceInterval, Run, SessionCut } from '../../simulator/index.js';

/** Simulated endpoints in one or more processes, each of which may be of another version. */
export class FleetGroup {
  readonly #fleets: readonly FleetProcess[];

  constructor(fleets: readonly FleetProcess[]) {
    this.#fleets = fleets;
  }

  async runs(): Promise<readonly Run[]> {
    return (await Promise.all(this.#fleets.map((fleet) => fleet.runs()))).flat();
  }

  async presence(): Promise<readonly PresenceInterval[]> {
    return (await Promise.all(this.#fleets.map((fleet) => fleet.presence()))).flat();
  }

  async cuts(): Promise<readonly SessionCut[]> {
    return (await Promise.all(this.#fleets.map((fleet) => fleet.cuts()))).flat();
  }

  async connected(): Promise<number> {
    return (await Promise.all(this.#fleets.map((fleet) => fleet.connected()))).reduce((sum, one) => sum + one, 0);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#fleets.map((fleet) => fleet.stop()));
  }
}
