#!/usr/bin/env bash
# make install and uninstall in folders of its own, and programs that find the library there through pkg-config: the
# examples in C and C++, with libloss.so and with libloss.a. Output: TAP.
# shellcheck disable=SC2317  # functions are called by name
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
build=${BUILD:-build}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/usr
version=$(sed -n 's/^#define LOSS_VERSION "\(.*\)"/\1/p' src/loss.h)
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
# What is linked to an instrumented library is instrumented too.
read -r -a sanitizer <<<"$(grep -oE -m 1 -e '-fsanitize=[a-z,]+' "$build/flags" | head -n 1)"
count=0 failed=0

tap() { # status name
  count=$((count + 1))
  if [ "$1" -ne 0 ]; then
    printf 'not '
    failed=$((failed + 1))
    sed 's/^/# /' "$scratch/words"
  fi
  echo "ok $count - $2"
}

skip() { # name reason
  count=$((count + 1))
  echo "ok $count - $1 # SKIP $2"
}

# As things are built, whatever the compiler and its flags were.
make_word() { # word variables...
  MAKEFLAGS='' make -s BUILD="$build" "$@" >"$scratch/words" 2>&1
}

files() { # folder
  (cd "$1" && find . \( -type f -o -type l \) | LC_ALL=C sort)
}

expected() {
  {
    printf '%s\n' bin/lossd lib/libloss.a lib/pkgconfig/lossd.pc include/loss.h
    (cd src && printf 'include/%s\n' loss/*.h)
    if [ -e "$build/libloss.so" ]; then printf 'lib/libloss.so%s\n' '' ".${version%%.*}" ".$version"; fi
  } | sed 's|^|./|' | LC_ALL=C sort
}

installs() {
  make_word install-built PREFIX="$prefix" && diff <(expected) <(files "$prefix") >>"$scratch/words" &&
    "$prefix/bin/lossd" --version >>"$scratch/words" && grep -qx "lossd $version" "$scratch/words"
}

# A package is made so: into a folder, for another place.
installs_for_a_package() {
  make_word install-built DESTDIR="$scratch/package" PREFIX=/opt/lossd &&
    diff <(expected) <(files "$scratch/package/opt/lossd") >>"$scratch/words" &&
    grep -qx 'prefix=/opt/lossd' "$scratch/package/opt/lossd/lib/pkgconfig/lossd.pc"
}

uninstalls() {
  make_word uninstall DESTDIR="$scratch/package" PREFIX=/opt/lossd &&
    [ -z "$(files "$scratch/package")" ] && [ ! -e "$scratch/package/opt/lossd/include/loss" ]
}

knows_its_version() {
  pkg-config --modversion lossd >"$scratch/words" 2>&1 && grep -qx "$version" "$scratch/words"
}

# Whether a file holds the loss, the gradient to within 4 ulp of float32, and the error of a target out of bounds.
check() {
  awk '
    function near(printed, exact) { d = printed - exact; return d < 2.4e-7 && d > -2.4e-7 }
    $1 == "loss" && NF == 2 { loss = ($2 == "1.3447266") }
    $1 == "grad" && NF == 4 {
      grad = near($2, -0.7393890488) && near($3, 0.3030896542) && near($4, 0.4362993946)
    }
    /^error target_out_of_bounds at targets\[0\]: targets\[0\] is 3, / { error = 1 }
    END { exit !(NR == 3 && loss && grad && error) }
  ' "$1"
}

# The command that stands at the top of the example, without warnings. Words of the linker about dlopen in a static
# program are its own affair.
runs() { # example static? compiler...
  local example=$1 static=$2 flags
  shift 2
  read -r -a flags <<<"$(pkg-config ${static:+--static} --cflags --libs lossd)"
  "$@" -Wall -Wextra -Wpedantic -Werror ${static:+-static} ${sanitizer[@]+"${sanitizer[@]}"} \
    -o "$scratch/program" "api/examples/$example" "${flags[@]}" >"$scratch/words" 2>&1 &&
    "$scratch/program" >"$scratch/words" 2>&1 && check "$scratch/words"
}

links_statically() { # compiler...
  printf 'int main(void) { return 0; }\n' >"$scratch/empty.c"
  "$@" -static -fopenmp -x c++ -o "$scratch/empty" "$scratch/empty.c" >/dev/null 2>&1
}

example() { # file compiler flags...
  local file=$1
  shift
  if ! command -v "$1" >/dev/null || ! command -v pkg-config >/dev/null; then
    skip "$file, shared" "there is no $1, or no pkg-config"
    skip "$file, static" "there is no $1, or no pkg-config"
    return
  fi
  runs "$file" '' "$@"
  tap $? "$file, shared"
  if [ ${#sanitizer[@]} -gt 0 ]; then
    skip "$file, static" 'a program with a sanitizer is not static'
  elif ! links_statically "$1"; then
    skip "$file, static" "$1 has no static libraries here"
  else
    runs "$file" static "$@"
    tap $? "$file, static"
  fi
}

# The compiler that the library was built with, and its sister.
cc=$(cut -d ' ' -f 1 "$build/flags")
case $cc in
*clang*) cxx=${cc/clang/clang++} ;;
*) cxx=${CXX:-c++} ;;
esac

echo 1..8
installs
tap $? 'install'
installs_for_a_package
tap $? 'install below DESTDIR'
uninstalls
tap $? 'uninstall'
if command -v pkg-config >/dev/null; then
  knows_its_version
  tap $? 'pkg-config knows the version'
else
  skip 'pkg-config knows the version' 'there is no pkg-config'
fi
example library.c "$cc" -std=c17
example library.cpp "$cxx" -std=c++17
exit $((failed > 0))
