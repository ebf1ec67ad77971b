#!/bin/bash
# What a person finds who looks at this machine with its own programs, for each check of linux-baseline: its id and the
# outcome that it must have. It reads nothing by Muster.

say() { printf '%s %s\n' "$1" "$2"; }
# Passes where the words, the output of a look for what is wrong, are empty.
clean() { if [ -z "$2" ]; then say "$1" pass; else say "$1" fail; fi; }
# Passes where the words, the output of a look for what has to be there, are not empty.
found() { if [ -n "$2" ]; then say "$1" pass; else say "$1" fail; fi; }
# Paths that somebody other than root may change, and those that others may read.
changed_by_others() { find "$@" -maxdepth 0 \( ! -uid 0 -o -perm /022 \) 2>/dev/null; }
read_by_others() { find "$@" -maxdepth 0 \( ! -uid 0 -o -perm /137 \) 2>/dev/null; }

# The first value of a setting, as the SSH server has it: by itself where it is installed.
ssh_value() {
  if command -v sshd >/dev/null; then sshd -T 2>/dev/null | awk -v name="$1" '$1 == name { print $2; exit }' && return; fi
  for file in /etc/ssh/sshd_config.d/*.conf /etc/ssh/sshd_config; do
    [ -f "$file" ] && sed -e '/^[[:space:]]*[Mm]atch[[:space:]]/,$d' -e 's/#.*//' -e 's/[="]/ /g' "$file"
  done | tr 'A-Z' 'a-z' | awk -v name="$1" -v default="$2" '$1 == name { print $2; seen = 1; exit } END { if (!seen) print default }'
}
ssh_is() { # id, setting, default, values that are right
  if [ ! -e /etc/ssh/sshd_config ]; then say "$1" not_applicable; return; fi
  if ssh_value "$2" "$3" | grep -qxE "$4"; then say "$1" pass; else say "$1" fail; fi
}
ssh_is ssh-root-login permitrootlogin prohibit-password 'no|prohibit-password|without-password|forced-commands-only'
ssh_is ssh-empty-passwords permitemptypasswords no no
ssh_is ssh-password-login passwordauthentication yes no
ssh_is ssh-x11-forwarding x11forwarding no no
ssh_is ssh-max-auth-tries maxauthtries 6 '[1-4]'
ssh_is ssh-ignore-rhosts ignorerhosts yes 'yes|shosts-only'
ssh_is ssh-host-based hostbasedauthentication no no
ssh_is ssh-user-environment permituserenvironment no no
ssh_is ssh-login-grace-time logingracetime 120 '[1-9]|[1-5][0-9]|60|1m'
ssh_is ssh-log-level loglevel info 'info|verbose'
if [ -e /etc/ssh/sshd_config ]; then clean ssh-config-owner "$(changed_by_others /etc/ssh/sshd_config)"
else say ssh-config-owner not_applicable; fi
if compgen -G '/etc/ssh/ssh_host_*_key' >/dev/null; then clean ssh-host-keys "$(read_by_others /etc/ssh/ssh_host_*_key)"
else say ssh-host-keys not_applicable; fi

accounts() { getent -s files passwd; }
clean accounts-only-root-is-uid-0 "$(accounts | awk -F: '$3 == 0 && $1 != "root"')"
clean accounts-empty-password "$(passwd -Sa | awk '$2 == "NP"')"
clean accounts-password-hash "$(getent -s files shadow | cut -d: -f2 | grep '^\$' | grep -vE '^\$(y|gy|7|2b|2y|6|5)\$')"
clean accounts-unique-ids "$(accounts | cut -d: -f3 | sort | uniq -d)"
clean accounts-unique-names "$(accounts | cut -d: -f1 | sort | uniq -d)"
clean accounts-unique-group-ids "$(getent -s files group | cut -d: -f3 | sort | uniq -d)"
clean accounts-system-shells "$(accounts | awk -F: '$3 > 0 && $3 < 1000 && $7 != "" { print $7 }' | grep -vE '^(/usr)?/s?bin/(nologin|false|sync|halt|shutdown)$')"
clean accounts-nis-entries "$(grep '^[+-]' /etc/passwd)"
clean accounts-root-group "$(id -g root | grep -vx 0)"
login_value() { awk -v name="$1" -v value="$2" '$1 == name { value = $2 } END { print value }' /etc/login.defs; }
if [ -e /etc/login.defs ]; then
  days=$(login_value PASS_MAX_DAYS 99999)
  clean passwords-maximum-age "$([ "$days" -ge 1 ] && [ "$days" -le 365 ] || echo "$days")"
  clean passwords-warning "$([ "$(login_value PASS_WARN_AGE 7)" -ge 7 ] || echo less)"
else
  say passwords-maximum-age not_applicable; say passwords-warning not_applicable
fi

if [ -e /etc/sudoers ]; then
  rules=$(cvtsudoers -f sudoers /etc/sudoers)
  clean sudo-without-password "$(grep NOPASSWD <<<"$rules")"
  clean sudo-without-authentication "$(grep -E '^Defaults.*!authenticate' <<<"$rules")"
  found sudo-own-terminal "$(grep -E '^Defaults.*[[:space:],]use_pty' <<<"$rules")"
  clean sudo-everything "$(grep -E '[[:space:]]ALL *= *\(ALL( *: *ALL)?\) *(NOPASSWD: *)?ALL$' <<<"$rules" | grep -vE '^(root|%sudo|%wheel|%admin)[[:space:]]')"
  clean sudo-rules-owner "$(changed_by_others /etc/sudoers /etc/sudoers.d)"
else
  for id in without-password without-authentication own-terminal everything rules-owner; do say "sudo-$id" not_applicable; done
fi
if [ -n "$(find /etc/sudoers.d -maxdepth 1 -type f 2>/dev/null)" ]; then
  clean sudo-drop-in-owner "$(find /etc/sudoers.d -maxdepth 1 -type f \( ! -uid 0 -o -perm /022 \))"
else say sudo-drop-in-owner not_applicable; fi

clean files-passwd "$(changed_by_others /etc/passwd)"
clean files-group "$(changed_by_others /etc/group)"
clean files-shadow "$(read_by_others /etc/shadow /etc/shadow-)"
clean files-gshadow "$(read_by_others /etc/gshadow /etc/gshadow-)"
if [ -e /etc/crontab ] || [ -e /etc/cron.d ]; then clean files-crontab "$(changed_by_others /etc/crontab /etc/cron.d /etc/cron.{hourly,daily,weekly,monthly})"
else say files-crontab not_applicable; fi
clean files-root-home "$(changed_by_others /root)"
clean files-temporary-sticky "$(find /tmp /var/tmp /dev/shm -maxdepth 0 -type d -perm -002 ! -perm -1000 2>/dev/null)"
clean files-world-writable-etc "$(find /etc -maxdepth 1 -type f -perm -002)"
if [ -e /boot/grub/grub.cfg ] || [ -e /boot/grub2/grub.cfg ]; then
  clean files-boot-loader "$(find /boot/grub/grub.cfg /boot/grub2/grub.cfg -maxdepth 0 \( ! -uid 0 -o -perm /077 \) 2>/dev/null)"
else say files-boot-loader not_applicable; fi
if [ -e /etc/ld.so.conf ]; then clean files-library-path "$(changed_by_others /etc/ld.so.conf /etc/ld.so.conf.d /etc/ld.so.preload)"
else say files-library-path not_applicable; fi

programs=$(find -H /bin /sbin /usr/bin /usr/sbin /usr/local/bin /usr/local/sbin -type f -perm /6000 -printf '%f %U %m %p\n' 2>/dev/null)
temporary=$(find /tmp /var/tmp /dev/shm -maxdepth 1 -type f -perm /6000 -printf '%f %U %m %p\n' 2>/dev/null)
known='su|sudo|sudoedit|mount|umount|passwd|chsh|chfn|newgrp|gpasswd|chage|expiry|ssh-agent|pkexec|fusermount3?|ping6?|crontab|at|write|wall|bsd-write|unix_chkpwd|pam_timestamp_check|dotlockfile|m?locate|plocate|new[ug]idmap|ntfs-3g|mount\.nfs|mount\.cifs|traceroute6\.iputils|staprun|userhelper|usernetctl|Xorg|screen|sg|vmware-user-suid-wrapper'
in_tmp=$(grep ' /tmp/' <<<"$temporary")
clean suid-known-programs "$(printf '%s\n%s' "$programs" "$in_tmp" | grep . | grep -vE "^($known) ")"
clean suid-writable "$(printf '%s\n%s' "$programs" "$in_tmp" | awk 'NF > 0 && ($2 != 0 || $3 ~ /[2367]$/)')"
clean suid-temporary "$temporary"

kernel_is() { # name, values that are right, and a setting that is always there where it is bad that the kernel does not have this one
  id="kernel-$(tr '._' '--' <<<"${1#kernel.}")"
  value=$(sysctl -n "$1" 2>/dev/null) || {
    if [ -n "$3" ] && sysctl -n "$3" >/dev/null 2>&1; then say "$id" fail; else say "$id" not_applicable; fi
    return
  }
  if grep -qxE "$2" <<<"$value"; then say "$id" pass; else say "$id" fail; fi
}
kernel_is kernel.randomize_va_space 2
kernel_is kernel.dmesg_restrict 1
kernel_is kernel.kptr_restrict '1|2'
kernel_is kernel.yama.ptrace_scope '1|2|3' kernel.randomize_va_space
kernel_is kernel.unprivileged_bpf_disabled '1|2'
kernel_is kernel.sysrq '0|4|16|176|438'
kernel_is fs.suid_dumpable 0
kernel_is fs.protected_hardlinks 1
kernel_is fs.protected_symlinks 1
kernel_is net.ipv4.tcp_syncookies 1 net.ipv4.conf.all.accept_redirects
kernel_is net.ipv4.conf.all.accept_redirects 0
kernel_is net.ipv4.conf.all.send_redirects 0
kernel_is net.ipv4.conf.all.accept_source_route 0
kernel_is net.ipv4.conf.all.log_martians 1
kernel_is net.ipv4.conf.all.rp_filter '1|2'
kernel_is net.ipv4.icmp_echo_ignore_broadcasts 1

for one in /tmp:nosuid /tmp:nodev /var/tmp:nosuid /var/tmp:nodev /dev/shm:nosuid /dev/shm:nodev /dev/shm:noexec /home:nodev /home:nosuid; do
  path=${one%:*} option=${one#*:}
  id="mount$(tr / - <<<"$path")-$option"
  if mountpoint -q "$path"; then found "$id" "$(findmnt -n -o VFS-OPTIONS --target "$path" | tail -1 | tr ',' '\n' | grep -x "$option")"
  else say "$id" not_applicable; fi
done

# Every network namespace, as each has ports of its own.
listeners=$(for pid in $(lsns -n -t net -o PID); do nsenter -t "$pid" -n ss -Hlntu 2>/dev/null; done | awk '{ print $5 }' | grep -vE '^(127\.|\[::1\]|\[::ffff:127\.)' | sed 's/.*://')
closed() { clean "$1" "$(grep -xE "$2" <<<"$listeners")"; }
closed listening-clear-text '21|23|512|513|514'
closed listening-file-sharing '111|139|445|2049'
closed listening-databases '1433|3306|5432|5984|6379|9200|11211|27017'
closed listening-desktop '3389|5900|5901|6000|6001'
closed listening-management '69|161|623|2375|5985'

# nft asks the kernel itself.
found firewall-in-kernel "$(nft list tables >/dev/null 2>&1 && echo yes; lsmod 2>/dev/null | grep -E '^(nf_tables|ip_tables|iptable_filter) ')"
enabled() { for unit in "$@"; do systemctl is-enabled "$unit.service" 2>/dev/null; done | grep -xE 'enabled|enabled-runtime'; }
found firewall-at-start "$(enabled nftables ufw firewalld netfilter-persistent iptables)"
if [ -e /etc/default/ufw ]; then found firewall-default-policy "$(. /etc/default/ufw; grep -xE 'DROP|REJECT' <<<"$DEFAULT_INPUT_POLICY")"
else say firewall-default-policy not_applicable; fi
if [ -n "$(find /etc/nftables.conf /etc/ufw/user.rules /etc/iptables/rules.v4 -maxdepth 0 2>/dev/null)" ]; then
  clean firewall-rules-owner "$(changed_by_others /etc/nftables.conf /etc/ufw/user.rules /etc/iptables/rules.v4)"
else say firewall-rules-owner not_applicable; fi

if [ -e /var/lib/dpkg/status ]; then
  found updates-automatic "$(apt-config dump APT::Periodic::Unattended-Upgrade | grep -E '"[1-9]')"
  found updates-security-source "$(apt-get indextargets --format '$(SITE) $(REPO_URI) $(RELEASE)' | grep security)"
  trusted=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -iE '^[[:space:]]*(deb.*\[[^]]*trusted=yes|trusted: *yes)')
  clean updates-signatures "$trusted$(apt-config dump | grep -iE 'AllowUnauthenticated "(true|yes|1)"')"
else for id in automatic security-source signatures; do say "updates-$id" not_applicable; done; fi
if [ -e /var/lib/apt/lists ]; then clean updates-recent-lists "$(find /var/lib/apt/lists -maxdepth 0 -mtime +13)"
else say updates-recent-lists not_applicable; fi

running() { ps -e -o comm= | grep -xE "$1" | sort -u; }
clocks=$(running 'chronyd|systemd-timesyn|ntpd|openntpd')
found time-service-runs "$clocks"
found time-service-at-start "$(enabled chrony chronyd systemd-timesyncd ntp ntpsec openntpd)"
clean time-one-service "$(tail -n +2 <<<"$clocks")"
found logging-service-runs "$(running 'rsyslogd|syslog-ng|syslogd|systemd-journal')"
found logging-kept "$(find /var/log/journal /var/log/syslog /var/log/messages -maxdepth 0 2>/dev/null)"
clean logging-files "$(find /var/log -maxdepth 1 -type f -perm -002)"
found logging-audit "$(running auditd)"
