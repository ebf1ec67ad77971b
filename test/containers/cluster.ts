import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { workloads, type Manifest, type PodSpec, type Workload } from '../kit/manifests/manifest.js';
import type { Engine } from './engine.js';

/**
 * Rendered manifests as pods of `podman play kube`, one pod per workload, on one network. A pod has the name of its Service, so that names
 * resolve as they do in a cluster; ports are those of the containers, because podman has no Services.
 *
 * Not taken from the manifests, because podman knows no such thing, or knows it wrongly: probes, preStop, autoscalers,
 * budgets, policies, spread, claims (a folder of the container instead), Secrets as such with their file modes, and
 * ports, which it would open on this machine.
 */
export class Cluster {
  readonly #engine: Engine;
  readonly #manifests: readonly Manifest[];
  readonly network: string;

  constructor(engine: Engine, manifests: readonly Manifest[], network: string) {
    this.#engine = engine;
    this.#manifests = manifests;
    this.network = network;
  }

  async start(workload: string, name = workload): Promise<void> {
    const found = workloads(this.#manifests).find(({ metadata }) => metadata.name === workload);
    if (found === undefined) throw new Error(`no manifest has ${workload}`);
    const maps = this.#manifests.flatMap(asConfigMap);
    const file = join(this.#engine.folder, `${name}.yaml`);
    writeFileSync(file, [...maps, podOf(found, name)].map((one) => stringify(one)).join('---\n'), { mode: 0o600 });
    try {
      await this.#engine.podman('play', 'kube', '--network', this.network, file);
    } finally {
      rmSync(file);
    }
  }

  /** The name of a pod's container. */
  container(pod: string): string {
    return `${pod}-${pod.replace(/^muster-/, '').replace(/-\d+$/, '')}`;
  }
}

function podOf(workload: Workload, name: string): Manifest {
  const { template, volumeClaimTemplates = [] } = workload.spec;
  const claims = volumeClaimTemplates.map(({ metadata }) => ({ name: metadata.name, emptyDir: {} }));
  const { containers, volumes = [], ...rest } = template.spec;
  // Podman 4.3 has one volume for all emptyDirs of a name, and keeps it: each pod has its own, which the caller removes.
  const own = (volume: string): string => (['tmp', 'data'].includes(volume) ? `${name}-${volume}` : volume);
  const spec: PodSpec = {
    ...rest,
    // The test looks at how a container ended; podman would start it anew at once.
    restartPolicy: 'Never',
    containers: containers.map(
      ({ startupProbe: _s, livenessProbe: _l, readinessProbe: _r, lifecycle: _c, ports: _p, ...container }) => ({
        ...container,
        volumeMounts: container.volumeMounts?.map((mount) => ({ ...mount, name: own(mount.name) })) ?? [],
      }),
    ),
    volumes: [...volumes.map(plainVolume), ...claims].map((volume) => ({ ...volume, name: own(volume.name) })),
  };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: template.metadata.labels }, spec: { ...spec } };
}

/** Podman 4.3 mounts Secrets as the text in base64. So they come as ConfigMaps here, under a name of their own. */
function asConfigMap(manifest: Manifest): Manifest[] {
  if (manifest.kind === 'ConfigMap') return [manifest];
  if (manifest.kind !== 'Secret') return [];
  const texts = Object.entries(manifest.data ?? {}).map(([key, text]) => [key, Buffer.from(text, 'base64').toString()]);
  const name = secretMap(manifest.metadata.name);
  return [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name },
      data: Object.fromEntries(texts) as Record<string, string>,
    },
  ];
}

function plainVolume(volume: NonNullable<PodSpec['volumes']>[number]): NonNullable<PodSpec['volumes']>[number] {
  return volume.secret === undefined
    ? volume
    : { name: volume.name, configMap: { name: secretMap(volume.secret.secretName) } };
}

const secretMap = (name: string): string => `secret-${name}`;
