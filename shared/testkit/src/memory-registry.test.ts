import { registryContract } from '@muster/registry/testing';
import { MemoryRegistry, RegistryStore } from './memory-registry.js';

registryContract('the registry in memory', () => {
  const store = new RegistryStore();
  const setAvailable = (available: boolean) => (): Promise<void> => {
    store.available = available;
    return Promise.resolve();
  };
  return Promise.resolve({
    open: (options = {}) => Promise.resolve(new MemoryRegistry({ store, ...options })),
    empty: () => Promise.resolve(store.empty()),
    interrupt: setAvailable(false),
    restore: setAvailable(true),
    freeze: setAvailable(false),
    resume: setAvailable(true),
    stop: () => Promise.resolve(),
  });
});
