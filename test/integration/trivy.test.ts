import { describe, expect, test } from '@jest/globals';
import { faultsAmong, scanConfiguration, trivyAtHand } from '../kit/trivy/scan.js';

const trivy = await trivyAtHand();
if (trivy === undefined)
  process.stderr.write(
    'trivy is not installed: manifests and Dockerfile are NOT scanned (`npm run test:trivy` fetches it)\n',
  );
const withTrivy = trivy === undefined ? describe.skip : describe;

withTrivy('trivy', () => {
  test('finds nothing high in manifests, chart and Dockerfile, but what the agent on nodes needs', async () => {
    const { findings, files } = await scanConfiguration(trivy ?? '');
    expect(files).toEqual(expect.arrayContaining(['production.yaml', 'chart.yaml', 'Dockerfile']));
    expect(faultsAmong(findings)).toEqual([]);
  }, 600_000);
});
