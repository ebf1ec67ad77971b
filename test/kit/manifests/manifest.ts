/** The parts of Kubernetes objects that tests look at. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

export interface Workload extends Manifest {
  readonly spec: {
    readonly replicas?: number;
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: PodSpec;
    };
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
  };
}

export interface PodSpec {
  readonly restartPolicy?: 'Always' | 'OnFailure' | 'Never';
  readonly terminationGracePeriodSeconds?: number;
  readonly automountServiceAccountToken?: boolean;
  readonly serviceAccountName?: string;
  readonly hostPID?: boolean;
  readonly securityContext?: { readonly runAsNonRoot?: boolean; readonly seccompProfile?: { readonly type: string } };
  readonly containers: readonly Container[];
  readonly volumes?: readonly Volume[];
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly env?: readonly EnvVariable[];
  readonly envFrom?: readonly { readonly configMapRef: { readonly name: string } }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly lifecycle?: { readonly preStop?: { readonly sleep?: { readonly seconds: number } } };
  readonly resources?: { readonly requests?: object; readonly limits?: object };
  readonly securityContext?: {
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly runAsNonRoot?: boolean;
    readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
  };
}

export interface EnvVariable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly configMapKeyRef?: { readonly name: string; readonly key: string };
    readonly secretKeyRef?: { readonly name: string; readonly key: string };
    readonly fieldRef?: { readonly fieldPath: string };
  };
}

interface Volume {
  readonly name: string;
  readonly secret?: { readonly secretName: string };
  readonly configMap?: { readonly name: string };
  readonly emptyDir?: object;
  readonly hostPath?: { readonly path: string };
}

interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string };
}

const WORKLOADS = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job'];

export function workloads(manifests: readonly Manifest[]): Workload[] {
  return manifests.filter(({ kind }) => WORKLOADS.includes(kind)) as Workload[];
}

/** The variables of a container, those of ConfigMaps filled in. Values from Secrets and fields are left out. */
export function environment(container: Container, manifests: readonly Manifest[]): Readonly<Record<string, string>> {
  const map = (name: string): Readonly<Record<string, string>> => {
    const found = manifests.find((one) => one.kind === 'ConfigMap' && one.metadata.name === name);
    if (found?.data === undefined) throw new Error(`there is no ConfigMap ${name}`);
    return found.data;
  };
  const all = (container.envFrom ?? []).map(({ configMapRef }) => map(configMapRef.name));
  const own = (container.env ?? []).flatMap(({ name, value, valueFrom }): [string, string][] => {
    const key = valueFrom?.configMapKeyRef;
    const given = key === undefined ? value : map(key.name)[key.key];
    if (key !== undefined && given === undefined) throw new Error(`ConfigMap ${key.name} has no ${key.key}`);
    return given === undefined ? [] : [[name, given]];
  });
  return Object.assign({}, ...all, Object.fromEntries(own)) as Record<string, string>;
}
