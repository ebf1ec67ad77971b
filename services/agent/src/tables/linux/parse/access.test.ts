import { describe, expect, it } from '@jest/globals';
import { parseCrontab } from './crontab.js';
import { parseAuthorizedKeys } from './ssh.js';
import { parseSudoers } from './sudoers.js';

describe('cron, SSH keys and sudo', () => {
  it('reads cron jobs', () => {
    const text =
      '# c\nSHELL=/bin/sh\nMAILTO = root now and then at once\n17 *\t* * *\troot    cd / && run-parts /etc/cron.hourly\n@reboot root /usr/bin/x\n\n* * * * \n';
    expect(parseCrontab(text)).toEqual([
      {
        event: '',
        minute: '17',
        hour: '*',
        day_of_month: '*',
        month: '*',
        day_of_week: '*',
        command: 'root    cd / && run-parts /etc/cron.hourly',
      },
      {
        event: '@reboot',
        minute: '',
        hour: '',
        day_of_month: '',
        month: '',
        day_of_week: '',
        command: 'root /usr/bin/x',
      },
    ]);
  });

  it('reads keys with and without options', () => {
    const text =
      '# c\nssh-ed25519 AAAAC3 ann at home\ncommand="echo \\"ssh-rsa x\\" y",no-pty ssh-rsa AAAAB3 bob\nsk-ssh-ed25519@openssh.com AAAAG\nnot a key at all\n';
    expect(parseAuthorizedKeys(text)).toEqual([
      { algorithm: 'ssh-ed25519', key: 'AAAAC3', options: '', comment: 'ann at home' },
      { algorithm: 'ssh-rsa', key: 'AAAAB3', options: 'command="echo \\"ssh-rsa x\\" y",no-pty', comment: 'bob' },
      { algorithm: 'sk-ssh-ed25519@openssh.com', key: 'AAAAG', options: '', comment: '' },
    ]);
  });

  it('reads sudo rules', () => {
    const text =
      '# comment\nDefaults\tenv_reset\n%sudo ALL=(ALL:ALL) \\\n   ALL\n#1000 ALL=(ALL) ALL\n@includedir /etc/sudoers.d\n#include "/etc/my rules"\n';
    expect(parseSudoers(text)).toEqual([
      { kind: 'rule', header: 'Defaults', details: 'env_reset' },
      { kind: 'rule', header: '%sudo', details: 'ALL=(ALL:ALL)  ALL' },
      { kind: 'rule', header: '#1000', details: 'ALL=(ALL) ALL' },
      { kind: 'includedir', path: '/etc/sudoers.d', header: '@includedir', details: '/etc/sudoers.d' },
      { kind: 'include', path: '/etc/my rules', header: '#include', details: '"/etc/my rules"' },
    ]);
  });
});
