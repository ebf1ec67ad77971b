import type { Component } from '@muster/runtime';
import type { SimulatedProcess, World } from '../world/world.js';
import { parts, startInOrder, type Brokers } from './parts.js';

/** What a service starts, of the parts that a life of its process has. */
export type Components = (base: ReturnType<typeof parts>) => readonly (readonly [name: string, component: Component])[];

/** A service: the parts of production, on simulated brokers. */
export class ServiceNode {
  readonly process: SimulatedProcess;
  readonly #world: World;
  readonly #brokers: Brokers;
  readonly #components: Components;

  constructor(world: World, name: string, brokers: Brokers, components: Components) {
    this.#world = world;
    this.#brokers = brokers;
    this.#components = components;
    this.process = world.process(name);
  }

  start(): void {
    this.#world.schedule(this.process, 0, () => {
      void startInOrder(this.#components(parts(this.#world, this.process, this.#brokers)));
    });
  }
}
