import { registryContract } from '@muster/registry/testing';
import { MemoryRegistry, RegistryStore } from './memory-registry.js';

registryContract('the registry in memory', () => {
  const store = new RegistryStore();
  return Promise.resolve({
    open: (options = {}) => Promise.resolve(new MemoryRegistry({ store, ...options })),
    empty: () => Promise.resolve(store.empty()),
    interrupt: () => {
      store.available = false;
      return Promise.resolve();
    },
    restore: () => {
      store.available = true;
      return Promise.resolve();
    },
    stop: () => Promise.resolve(),
  });
});
