#!/bin/sh
# Unpacks Android's real daemon, as Debian builds it, with a small ARM system (FOLDER/root) and the
# emulator for it (FOLDER/qemu-aarch64), for tests/test_android_real.py. Changes nothing else: apt
# works in FOLDER, on a package list of its own. About 60 MB to download and 110 MB on the disk.
#   tests/real_adbd.sh .arm/adbd && cd .arm/adbd
#   ADBD_PORT=5621 proot -q ./qemu-aarch64 -R root -w / /usr/lib/android-sdk/platform-tools/adbd
# It has no getprop and no `adb install`.
set -eu
suite=trixie # the first with adbd, version 34
packages="adbd dash coreutils util-linux"

host=$(dpkg --print-architecture)
target=$1
new=$target.new
rm -rf "$new"
mkdir -p "$new/apt/lists/partial" "$new/apt/archives/partial" "$new/done/root/data/local/tmp"
new=$(realpath "$new")
touch "$new/apt/status"
uri=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Created-By: Packages' | head -n 1)
[ -n "$uri" ] || { echo "error: apt knows no Debian mirror here" >&2; exit 2; }
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main" >"$new/apt/sources"

apt() {
  apt-get -qq -o Dir::State="$new/apt" -o Dir::State::status="$new/apt/status" \
    -o Dir::Cache="$new/apt" -o Dir::Etc::sourcelist="$new/apt/sources" -o Dir::Etc::sourceparts=- \
    -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Architectures::="$host" \
    -o APT::Sandbox::User= "$@"
}
apt update
apt install --download-only --no-install-recommends --yes $packages >/dev/null
for package in "$new"/apt/archives/*.deb; do dpkg -x "$package" "$new/done/root"; done
for folder in bin lib sbin; do ln -sfn usr/$folder "$new/done/root/$folder"; done
(cd "$new/apt" && apt download "qemu-user:$host" && dpkg -x qemu-user_*.deb qemu)
mv "$new/apt/qemu/usr/bin/qemu-aarch64" "$new/done/"
rm -rf "$target"
mv "$new/done" "$target"
rm -rf "$new"
