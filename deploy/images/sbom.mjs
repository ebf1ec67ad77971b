import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A CycloneDX 1.6 document of one image: the packages of which a file is in the bundle, or that are copied beside it; with the hashes of
 * package-lock.json. Without a date and a serial number, so that two builds are equal.
 */
export function sbomOf({ name, version, arch, root, inputs, copied }) {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const folders = new Set([...inputs.map(packageOf).filter((folder) => folder !== undefined), ...copied]);
  const components = [...folders]
    .sort((a, b) => (a < b ? -1 : 1))
    .map((folder) => componentOf(folder, root, lock[folder]));
  const self = `pkg:oci/muster-${name}@${version}?arch=${arch}`;
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      tools: { components: [{ type: 'application', name: 'muster deploy/images/sbom.mjs', version }] },
      component: { type: 'container', 'bom-ref': self, name: `muster-${name}`, version, purl: self },
    },
    components,
    dependencies: [
      { ref: self, dependsOn: components.map((component) => component['bom-ref']) },
      ...components.map((component) => ({ ref: component['bom-ref'] })),
    ],
  };
}

/** `node_modules/a` of `node_modules/a/lib/b.js`; undefined for the project's own files. */
function packageOf(input) {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input)?.[0];
}

function componentOf(folder, root, locked) {
  const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
  const [group, name] = manifest.name.startsWith('@') ? manifest.name.split('/') : [undefined, manifest.name];
  const purl = `pkg:npm/${group === undefined ? '' : `${group.replace('@', '%40')}/`}${name}@${manifest.version}`;
  const [algorithm, hash] = (locked?.integrity ?? '').split('-');
  return {
    type: 'library',
    'bom-ref': purl,
    ...(group === undefined ? {} : { group }),
    name,
    version: manifest.version,
    purl,
    ...(typeof manifest.license === 'string' ? { licenses: [{ expression: manifest.license }] } : {}),
    ...(algorithm === 'sha512'
      ? { hashes: [{ alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }] }
      : {}),
  };
}
