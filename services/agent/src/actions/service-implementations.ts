import type { Binding } from '@muster/protocol';
import type { ActionImplementations } from './action.js';
import { serviceActions } from './linux/control-service.js';
import type { ServiceManager } from './linux/service-manager.js';

/** The service actions over the manager of another system, whose rows call the same things otherwise: `label` or `name`, and `path`. */
export function serviceImplementations(manager: ServiceManager): ActionImplementations {
  const entries = Object.entries(serviceActions(() => manager)).map(([name, implementation]) => [
    name,
    {
      ...implementation,
      run: (call: Parameters<typeof implementation.run>[0]) =>
        implementation.run(call.binding === undefined ? call : { ...call, binding: unitOf(call.binding) }),
    },
  ]);
  return Object.fromEntries(entries) as ActionImplementations;
}

function unitOf({ label, name, path }: Binding): Binding {
  return { id: label ?? name ?? null, fragment_path: path ?? null };
}
