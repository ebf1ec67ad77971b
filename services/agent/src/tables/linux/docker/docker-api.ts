import type { CollectRequest } from '@muster/tables';
import type { System } from '../../contract/system.js';
import { asObject, type Json, objects, text } from '../parse/json.js';
import { getOverUnixSocket, type UnixAnswer } from './unix-http.js';

const SOCKETS = ['/var/run/docker.sock', '/run/docker.sock'] as const;
const ASK_MS = 4_000;
const MAX_BYTES = 16 * 1024 * 1024;
/** Containers whose details are asked for. */
const MAX_DETAILS = 1_000;

/** The answers of Docker's API, each asked for once in a statement. Nothing where Docker does not run. */
export class DockerApi {
  readonly #system: System;
  readonly #request: CollectRequest;

  constructor(system: System, request: CollectRequest) {
    this.#system = system;
    this.#request = request;
  }

  object(path: string): Json | undefined {
    return asObject(this.#get(path));
  }

  list(path: string): readonly Json[] {
    return objects(this.#get(path));
  }

  /** All containers, running or not. */
  containers(): readonly Json[] {
    return this.list('/containers/json?all=1');
  }

  /** What `docker inspect` has of a container. Those of all containers are asked for together. */
  details(id: string): Json | undefined {
    const all = this.#request.memo('docker details', () => this.#allDetails());
    return all.get(id);
  }

  #allDetails(): ReadonlyMap<string, Json> {
    return new Map(this.objectsOf(this.ids('/containers/json?all=1'), (id) => `/containers/${id}/json`));
  }

  /** Ids of a list, those that a statement names or all. */
  ids(list: string, wanted?: readonly unknown[]): readonly string[] {
    // Ids go into paths.
    return this.list(list)
      .map(({ Id }) => text(Id).replace(/^sha256:/, ''))
      .filter((id) => /^[0-9a-f]{12,64}$/.test(id) && wanted?.every((one) => one === id) !== false);
  }

  /** The object that there is for each id, asked for together. */
  objectsOf(ids: readonly string[], pathOf: (id: string) => string): readonly (readonly [string, Json])[] {
    return this.#each(ids, pathOf).flatMap(([id, value]) => {
      const found = asObject(value);
      return found === undefined ? [] : [[id, found] as const];
    });
  }

  /** The list that there is for each id. */
  listsOf(ids: readonly string[], pathOf: (id: string) => string): readonly (readonly [string, readonly Json[]])[] {
    return this.#each(ids, pathOf).map(([id, value]) => [id, objects(value)] as const);
  }

  #each(ids: readonly string[], pathOf: (id: string) => string): readonly (readonly [string, unknown])[] {
    if (ids.length > MAX_DETAILS)
      this.#request.warn('too_large', `docker has ${ids.length} of them; details of ${MAX_DETAILS} are read`);
    const asked = ids.slice(0, MAX_DETAILS);
    const answers = this.#ask(asked.map(pathOf));
    return asked.map((id, index) => [id, this.#parse(answers[index], pathOf(id))] as const);
  }

  #get(path: string): unknown {
    return this.#request.memo(`docker ${path}`, () => this.#parse(this.#ask([path])[0], path));
  }

  #ask(paths: readonly string[]): readonly UnixAnswer[] {
    const socket = SOCKETS.find((one) => this.#system.stat(one)?.isSocket() === true);
    if (socket === undefined || paths.length === 0) return [];
    const timeoutMs = Math.min(ASK_MS, this.#request.remainingMs() / 2);
    const socketPath = String(this.#system.real(socket));
    return getOverUnixSocket({ socketPath, paths, timeoutMs, maxBytes: MAX_BYTES });
  }

  #parse(answer: UnixAnswer | undefined, what: string): unknown {
    if (answer === undefined) return undefined;
    if ('body' in answer) {
      try {
        return JSON.parse(answer.body);
      } catch {
        this.#request.warn('unreadable', `docker's answer for ${what} is not JSON`);
        return undefined;
      }
    }
    const { fault } = answer;
    if (fault === 'too_large')
      this.#request.warn('too_large', `docker's answer for ${what} is over ${MAX_BYTES} bytes`);
    else if (fault === 'too_slow') this.#request.warn('too_slow', `docker did not answer for ${what} in time`);
    // A container may have gone meanwhile.
    else if (fault === 'unreachable') this.#request.warn('unreadable', `docker cannot be asked for ${what}`);
    return undefined;
  }
}
