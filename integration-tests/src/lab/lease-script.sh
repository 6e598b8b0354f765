#!/bin/sh
# What udhcpc ($1), dhclient and dhcpcd ($reason) call. Puts the address on the interface, which renewing and releasing need, and writes one line
# per happening to $LEASE_LOG, in the same words for all three. Touches nothing else.
what=${1:-$reason}
case $what in
deconfig | EXPIRE | FAIL | RELEASE | STOP) ip -4 addr flush dev "$interface" scope global ;;
PREINIT) ip link set "$interface" up ;;
bound | renew | BOUND | RENEW | REBIND | REBOOT)
  [ "$DECLINE" = 1 ] && exit 1
  address=${ip:-$new_ip_address}
  mask=${mask:-${new_subnet_cidr:-$new_subnet_mask}}
  router=${router:-$new_routers}
  ip addr replace "$address/${mask:-24}" dev "$interface"
  [ -z "$router" ] || ip route replace default via "${router%% *}" dev "$interface"
  dns=${dns:-$new_domain_name_servers} domain=${domain:-$new_domain_name}
  seconds=${lease:-$new_dhcp_lease_time} server=${serverid:-$new_dhcp_server_identifier}
  # In one write, since it is read while it is written.
  echo "event=$what;address=$address;router=$router;dns=$dns;domain=$domain;seconds=$seconds;server=$server" >>"$LEASE_LOG"
  ;;
esac
exit 0
