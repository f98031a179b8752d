#!/bin/sh
# headtorch: tensors and autograd for C++20.
# SPDX-License-Identifier: MIT
#
# Gets the data sets that headtorch reads, checks that they are what they should be (md5), and unpacks them. Nothing calls it during a
# build. A file that is there already is not fetched again; one that is not what it should be is removed, and nothing is unpacked from it.
#
#   sh cmake/download.sh [OPTION...] SET...     SET: fashion-mnist, mnist, cifar10, cifar100 or celeba
#
#   --list         say what there is, where it comes from and how large it is, and fetch nothing
#   --dir DIR      where to put it: DIR/SET. Unless given, where the examples look: ~/.local/share/headtorch (or $XDG_DATA_HOME/headtorch)
#   --from PLACE   fetch the files from another place: a URL or a directory that holds them
#   --table FILE   further sets; each line is: set, file, md5, keep|tar|zip, what it unpacks to, the URL it is at (or - for none)
set -eu

say() { echo "download.sh: $*"; }
fail() { echo "download.sh: $*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# set, file, md5, what to do with it, what it becomes, where it is
fashion="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
mnist="https://ossci-datasets.s3.amazonaws.com/mnist"
cifar="https://www.cs.toronto.edu/~kriz"
table="fashion-mnist train-images-idx3-ubyte.gz 8d4fb7e6c68d591d4c3dfef9ec88bf0d keep train-images-idx3-ubyte.gz $fashion
fashion-mnist train-labels-idx1-ubyte.gz 25c81989df183df01b3e8a0aad5dffbe keep train-labels-idx1-ubyte.gz $fashion
fashion-mnist t10k-images-idx3-ubyte.gz bef4ecab320f06d8554ea6380940ec79 keep t10k-images-idx3-ubyte.gz $fashion
fashion-mnist t10k-labels-idx1-ubyte.gz bb300cfdad3c16e7a12a480ee83cd310 keep t10k-labels-idx1-ubyte.gz $fashion
mnist train-images-idx3-ubyte.gz f68b3c2dcbeaaa9fbdd348bbdeb94873 keep train-images-idx3-ubyte.gz $mnist
mnist train-labels-idx1-ubyte.gz d53e105ee54ea40749a09fcbcd1e9432 keep train-labels-idx1-ubyte.gz $mnist
mnist t10k-images-idx3-ubyte.gz 9fb629c4189551a2d022fa330f9573f3 keep t10k-images-idx3-ubyte.gz $mnist
mnist t10k-labels-idx1-ubyte.gz ec29112dd5afa0611ce80d1b7f02629c keep t10k-labels-idx1-ubyte.gz $mnist
cifar10 cifar-10-binary.tar.gz c32a1d4ab5d03f1284b67883e8d87530 tar cifar-10-batches-bin $cifar
cifar100 cifar-100-binary.tar.gz 03b5dce01913d631647c71ecec9e9cb8 tar cifar-100-binary $cifar
celeba list_attr_celeba.txt 75e246fa4810816ffd6ee81facbd244c keep list_attr_celeba.txt -
celeba list_eval_partition.txt d32c9cbf5e040fd4025c592c306e6668 keep list_eval_partition.txt -
celeba img_align_celeba.zip 00d2c5bc6d35e252742224ab0c1e8fcb zip img_align_celeba -"

about() {
    case "$1" in
        fashion-mnist) echo "70,000 pictures of clothes, 31 MB: https://github.com/zalandoresearch/fashion-mnist (Debian: dataset-fashion-mnist)" ;;
        mnist) echo "70,000 handwritten digits, 12 MB: http://yann.lecun.com/exdb/mnist" ;;
        cifar10) echo "60,000 colour images in 10 classes, 170 MB: https://www.cs.toronto.edu/~kriz/cifar.html" ;;
        cifar100) echo "60,000 colour images in 100 classes, 169 MB: https://www.cs.toronto.edu/~kriz/cifar.html" ;;
        celeba) echo "202,599 faces with 40 attributes, 1.4 GB, for research only: https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html" ;;
        *) echo "of your own table" ;;
    esac
}
sets() { echo "$table" | cut -d' ' -f1 | uniq; }

list=no
from=""
directory="${XDG_DATA_HOME:-${HOME:-/root}/.local/share}/headtorch"
wanted=""
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) sed -n '5,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
        --list) list=yes ;;
        --dir | --from | --table)
            [ $# -ge 2 ] || fail "$1 needs a value (--help says more)"
            case "$1" in
                --dir) directory=$2 ;;
                --from) from=$2 ;;
                --table) [ -r "$2" ] || fail "cannot read the table $2"; table="$table
$(cat "$2")" ;;
            esac
            shift ;;
        -*) fail "unknown option '$1' (--help says which there are)" ;;
        *) wanted="$wanted $1" ;;
    esac
    shift
done
for name in $wanted; do
    sets | grep -qx -- "$name" || fail "there is no set '$name'; there are: $(sets | tr '\n' ' ')"
done
if [ $list = yes ]; then
    for name in ${wanted:-$(sets)}; do
        echo "$name: $(about "$name")"
        echo "$table" | while read -r of file md5 _ _ url; do
            [ "$of" = "$name" ] || continue
            if [ "$url" = - ]; then echo "    $file, md5 $md5: by hand from that page"; else echo "    $url/$file, md5 $md5"; fi
        done
    done
    exit 0
fi
[ -n "$wanted" ] || fail "which set? There are: $(sets | tr '\n' ' ')(--help says more)"

md5_of() {
    if have md5sum; then md5sum <"$1" | cut -d' ' -f1
    elif have md5; then md5 -q "$1"
    else fail "neither md5sum nor md5 is here, to check files with"
    fi
}

fetch() { # URL or file, target
    case "$1" in
        *://*)
            if have curl; then curl -fL --retry 2 -o "$2" "$1"
            elif have wget; then wget -O "$2" "$1"
            else fail "neither curl nor wget is here: fetch $1 yourself, and put it into the directory that --dir names"
            fi ;;
        *) cp "$1" "$2" ;;
    esac
}

unpack() { # kind, archive, folder
    case "$1" in
        tar) tar -xzf "$2" -C "$3" ;;
        zip)
            if have unzip; then unzip -q "$2" -d "$3"
            elif have python3; then python3 -m zipfile -e "$2" "$3"
            else fail "neither unzip nor python3 is here, to unpack $2 with"
            fi ;;
        *) fail "the table says '$1' where keep, tar or zip should stand" ;;
    esac
}

scratch=""
trap '[ -z "$scratch" ] || rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP

for name in $wanted; do
    place="$directory/$name"
    say "$name: $(about "$name")"
    mkdir -p "$place"
    scratch="$place/.download.$$"
    rm -rf "$scratch"
    mkdir "$scratch"
    echo "$table" >"$scratch/table"
    by_hand=""
    while read -r of file md5 kind product url <&3; do
        [ "$of" = "$name" ] || continue
        if [ -e "$place/$product" ] && [ "$kind" != keep ]; then
            say "$place/$product is there"
            continue
        fi
        if [ -e "$place/$file" ]; then
            [ "$(md5_of "$place/$file")" = "$md5" ] ||
                fail "$place/$file is not what it should be: its md5 is $(md5_of "$place/$file"), not $md5. Remove it, or fetch it again."
            [ "$kind" != keep ] || { say "$place/$file is there"; continue; }
            archive="$place/$file"
        elif [ "$url" = - ] && [ -z "$from" ]; then
            by_hand="$by_hand $file"
            continue
        else
            say "fetching ${from:-$url}/$file"
            archive="$scratch/$file"
            fetch "${from:-$url}/$file" "$archive" || fail "could not fetch ${from:-$url}/$file"
            found=$(md5_of "$archive")
            [ "$found" = "$md5" ] || fail "$file is not what it should be: its md5 is $found, not $md5. It was removed; nothing was unpacked."
        fi
        if [ "$kind" = keep ]; then
            mv "$archive" "$place/$product"
        else
            mkdir "$scratch/unpacked"
            unpack "$kind" "$archive" "$scratch/unpacked" || fail "could not unpack $file; nothing was left of it"
            [ -e "$scratch/unpacked/$product" ] || fail "there is no $product in $file"
            mv "$scratch/unpacked/$product" "$place/$product"
            rm -rf "$scratch/unpacked"
        fi
        say "$place/$product: checked"
    done 3<"$scratch/table"
    rm -rf "$scratch"
    scratch=""
    [ -z "$by_hand" ] || fail "$name: fetch by hand, from the page above, into $place:$by_hand. Then run this again: it checks and unpacks them."
done
