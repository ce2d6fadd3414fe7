/*
 * Makes allocations and system calls of a program fail on demand: a library for LD_PRELOAD. What is
 * to fail, and what has happened, stands in a file that is shared with whoever started the program
 * (its path in FAULT_SWITCH): struct fault_switch, which faults.py writes and reads.
 *
 * Sites are calls of malloc, calloc, realloc, aligned_alloc, posix_memalign, memalign, mmap, mremap
 * and pthread_create, by the program and by all its libraries, from the beginning of main: they are
 * counted, and those from `from` to `to` fail as if there were no memory. With `interrupts` N one
 * in N calls that may wait fails with EINTR. Blocks and mapped bytes that are alive are counted
 * too.
 */
/* Its inline functions would be in the way of those here. */
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* In the file, as 64-bit words in this order. */
struct fault_switch {
	_Atomic uint64_t begun;      /* main has been reached */
	_Atomic uint64_t from, to;   /* sites that fail, the first being 1; none with from 0 */
	_Atomic uint64_t sites;      /* met so far */
	_Atomic uint64_t failed;     /* of them */
	_Atomic uint64_t interrupts; /* 0: none */
	_Atomic uint64_t waits;      /* calls that may wait, met so far */
	_Atomic uint64_t jumps;      /* the wall clock is a day ahead and behind by turns */
	_Atomic uint64_t looks;      /* at the wall clock, met so far */
	_Atomic int64_t blocks;      /* alive */
	_Atomic int64_t mapped;      /* bytes */
};

static struct fault_switch nobodys; /* without FAULT_SWITCH */
static struct fault_switch *fault = &nobodys;

/* Object pointers that dlsym gives are functions. */
#define REAL(name)                                                                                 \
	static union {                                                                             \
		void *found;                                                                       \
		__typeof__(&name) call;                                                            \
	} real_##name
#define FIND(name) real_##name.found = dlsym(RTLD_NEXT, #name)

REAL(malloc);
REAL(calloc);
REAL(realloc);
REAL(free);
REAL(memalign);
REAL(aligned_alloc);
REAL(posix_memalign);
REAL(mmap);
REAL(mremap);
REAL(munmap);
REAL(pthread_create);
REAL(recv);
REAL(send);
REAL(sendmsg);
REAL(sendfile);
REAL(accept);
REAL(accept4);
REAL(poll);
REAL(epoll_pwait);
REAL(clock_gettime);

/* ---------------------------------------------------------------- the switch */

static void find_all(void)
{
	FIND(malloc);
	FIND(calloc);
	FIND(realloc);
	FIND(free);
	FIND(memalign);
	FIND(aligned_alloc);
	FIND(posix_memalign);
	FIND(mmap);
	FIND(mremap);
	FIND(munmap);
	FIND(pthread_create);
	FIND(recv);
	FIND(send);
	FIND(sendmsg);
	FIND(sendfile);
	FIND(accept);
	FIND(accept4);
	FIND(poll);
	FIND(epoll_pwait);
	FIND(clock_gettime);
}

/* What dlsym wants for itself while the allocator is being looked for. */
static _Alignas(64) unsigned char before[65536];
static size_t n_before;

static bool is_before(const void *p)
{
	return (uintptr_t)p >= (uintptr_t)before &&
	       (uintptr_t)p < (uintptr_t)before + sizeof before;
}

static void *take_before(size_t n)
{
	n = (n + 63) & ~(size_t)63;
	if (n > sizeof before - n_before)
		abort();
	n_before += n;
	return &before[n_before - n];
}

/* True when there is an allocator to ask. */
static bool is_found(void)
{
	static bool looking;
	if (real_free.call && real_malloc.call)
		return true;
	if (looking)
		return false;
	looking = true;
	find_all();
	looking = false;
	return true;
}

/* Libraries whose own calls are no sites, with which the process would end: under TLS, GMP, which
 * has GnuTLS's arithmetic, ends it where it has no memory, as its manual says; libtasn1 4.19, which
 * writes signatures, follows a pointer that it has not got. */
static struct {
	const char *name;
	uintptr_t begin, end; /* of its code */
} excused[] = {{"/libgmp.so", 0, 0}, {"/libtasn1.so", 0, 0}};
#define N_EXCUSED (sizeof excused / sizeof excused[0])

static void note_code(size_t which, const struct dl_phdr_info *library)
{
	for (int i = 0; i < library->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &library->dlpi_phdr[i];
		if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
			continue;
		excused[which].begin = library->dlpi_addr + part->p_vaddr;
		excused[which].end = excused[which].begin + part->p_memsz;
	}
}

static int find_excused(struct dl_phdr_info *library, size_t size, void *context)
{
	(void)size;
	(void)context;
	for (size_t i = 0; i < N_EXCUSED; i++)
		if (strstr(library->dlpi_name, excused[i].name))
			note_code(i, library);
	return 0;
}

static bool is_excused(const void *caller)
{
	for (size_t i = 0; i < N_EXCUSED; i++)
		if ((uintptr_t)caller >= excused[i].begin && (uintptr_t)caller < excused[i].end)
			return true;
	return false;
}

static bool shows;

static void attach(void)
{
	void *call[1];
	const char *path = getenv("FAULT_SWITCH");
	int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (file < 0)
		return;
	void *shared =
		real_mmap.call(NULL, sizeof *fault, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (shared != MAP_FAILED)
		fault = shared;
	close(file);
	dl_iterate_phdr(find_excused, NULL);
	shows = getenv("FAULT_SHOW") && backtrace(call, 1) > 0; /* which allocates at first */
}

/* With FAULT_SHOW set: where the first site that fails was called from, for addr2line. */
static void show_site(void)
{
	void *calls[32];
	if (shows)
		backtrace_symbols_fd(calls, backtrace(calls, 32), STDERR_FILENO);
}

/* Whether this site is one that fails. */
static bool fails(void)
{
	if (!atomic_load(&fault->begun))
		return false;
	uint64_t site = atomic_fetch_add(&fault->sites, 1) + 1;
	uint64_t from = atomic_load(&fault->from);
	if (from == 0 || site < from || site > atomic_load(&fault->to))
		return false;
	if (atomic_fetch_add(&fault->failed, 1) == 0)
		show_site();
	errno = ENOMEM;
	return true;
}

/* As if drawn, so that it is not the same call of a loop each time. */
static bool is_interrupted(void)
{
	uint64_t each = atomic_load(&fault->interrupts);
	if (each == 0)
		return false;
	uint64_t drawn = (atomic_fetch_add(&fault->waits, 1) + 1) * UINT64_C(0x9e3779b97f4a7c15);
	drawn = (drawn ^ drawn >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	if ((drawn >> 33) % each != 0)
		return false;
	errno = EINTR;
	return true;
}

static void *counted(void *block)
{
	if (block)
		atomic_fetch_add(&fault->blocks, 1);
	return block;
}

/* ---------------------------------------------------------------- memory */

#define CALLER __builtin_return_address(0)

void *malloc(size_t n)
{
	if (!is_found())
		return take_before(n);
	return !is_excused(CALLER) && fails() ? NULL : counted(real_malloc.call(n));
}

void *calloc(size_t n, size_t size)
{
	if (!is_found())
		return take_before(n * size); /* it is clear: nothing is given back */
	return !is_excused(CALLER) && fails() ? NULL : counted(real_calloc.call(n, size));
}

void *realloc(void *old, size_t n)
{
	if (!is_found() || is_before(old))
		abort();
	if (n > 0 && !is_excused(CALLER) && fails())
		return NULL;
	void *block = real_realloc.call(old, n);
	if (!old)
		return counted(block);
	if (n == 0)
		atomic_fetch_sub(&fault->blocks, 1);
	return block;
}

void free(void *block)
{
	if (!block || is_before(block))
		return;
	is_found();
	atomic_fetch_sub(&fault->blocks, 1);
	real_free.call(block);
}

void *memalign(size_t alignment, size_t n)
{
	is_found();
	return fails() ? NULL : counted(real_memalign.call(alignment, n));
}

void *aligned_alloc(size_t alignment, size_t n)
{
	is_found();
	return fails() ? NULL : counted(real_aligned_alloc.call(alignment, n));
}

int posix_memalign(void **block, size_t alignment, size_t n)
{
	is_found();
	if (fails())
		return ENOMEM;
	int status = real_posix_memalign.call(block, alignment, n);
	if (status == 0)
		counted(*block);
	return status;
}

void *mmap(void *place, size_t n, int protection, int flags, int file, off_t at)
{
	is_found();
	if (fails())
		return MAP_FAILED;
	void *pages = real_mmap.call(place, n, protection, flags, file, at);
	if (pages != MAP_FAILED && !(flags & MAP_FIXED))
		atomic_fetch_add(&fault->mapped, (int64_t)n);
	return pages;
}

void *mremap(void *old, size_t before_bytes, size_t n, int flags, ...)
{
	va_list rest;
	va_start(rest, flags);
	void *place = flags & MREMAP_FIXED ? va_arg(rest, void *) : NULL;
	va_end(rest);
	is_found();
	if (fails())
		return MAP_FAILED;
	void *pages = real_mremap.call(old, before_bytes, n, flags, place);
	/* At a fixed place it is on pages that were mapped, and counted, before. */
	if (pages != MAP_FAILED)
		atomic_fetch_add(&fault->mapped, flags & MREMAP_FIXED
							 ? -(int64_t)before_bytes
							 : (int64_t)n - (int64_t)before_bytes);
	return pages;
}

int munmap(void *pages, size_t n)
{
	is_found();
	atomic_fetch_sub(&fault->mapped, (int64_t)n);
	return real_munmap.call(pages, n);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *with)
{
	is_found();
	return fails() ? EAGAIN : real_pthread_create.call(thread, how, run, with);
}

/* ---------------------------------------------------------------- calls that may wait */

/* Not read and write: what the server reads and writes so, events, pipes and files, is not
 * interrupted. */

#define MAY_WAIT(type, name, parameters, ...)                                                      \
	type name parameters                                                                       \
	{                                                                                          \
		is_found();                                                                        \
		return is_interrupted() ? -1 : real_##name.call(__VA_ARGS__);                      \
	}

MAY_WAIT(ssize_t, recv, (int fd, void *out, size_t n, int flags), fd, out, n, flags)
MAY_WAIT(ssize_t, send, (int fd, const void *bytes, size_t n, int flags), fd, bytes, n, flags)
MAY_WAIT(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), fd, message, flags)
MAY_WAIT(ssize_t, sendfile, (int to, int from, off_t *at, size_t n), to, from, at, n)
MAY_WAIT(int, accept, (int fd, __SOCKADDR_ARG address, socklen_t *n), fd, address, n)
MAY_WAIT(int, accept4, (int fd, __SOCKADDR_ARG address, socklen_t *n, int flags), fd, address, n,
	 flags)
MAY_WAIT(int, poll, (struct pollfd * fds, nfds_t n, int ms), fds, n, ms)
MAY_WAIT(int, epoll_pwait,
	 (int fd, struct epoll_event *events, int n, int ms, const sigset_t *signals), fd, events,
	 n, ms, signals)

/* What _FORTIFY_SOURCE makes of some of them. */
ssize_t __recv_chk(int fd, void *out, size_t n, size_t room, int flags);
ssize_t __recv_chk(int fd, void *out, size_t n, size_t room, int flags)
{
	return n > room ? (abort(), -1) : recv(fd, out, n, flags);
}

int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t room);
int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t room)
{
	return n * sizeof *fds > room ? (abort(), -1) : poll(fds, n, ms);
}

/* ---------------------------------------------------------------- the wall clock */

int clock_gettime(clockid_t clock, struct timespec *now)
{
	is_found();
	int status = real_clock_gettime.call(clock, now);
	if (status == 0 && clock == CLOCK_REALTIME && atomic_load(&fault->jumps))
		now->tv_sec += atomic_fetch_add(&fault->looks, 1) % 2 ? 86400 : -86400;
	return status;
}

time_t time(time_t *out)
{
	struct timespec now = {0};
	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now = {0};
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	*out = (struct timeval){now.tv_sec, (suseconds_t)(now.tv_nsec / 1000)};
	return 0;
}

/* ---------------------------------------------------------------- the beginning of main */

typedef int main_function(int argc, char **argv, char **envp);
static main_function *real_main;

static int run_main(int argc, char **argv, char **envp)
{
	attach();
	atomic_store(&fault->begun, 1);
	return real_main(argc, argv, envp);
}

int __libc_start_main(main_function *program, int argc, char **argv, void (*init)(void),
		      void (*fini)(void), void (*loader)(void), void *stack);
int __libc_start_main(main_function *program, int argc, char **argv, void (*init)(void),
		      void (*fini)(void), void (*loader)(void), void *stack)
{
	union {
		void *found;
		__typeof__(&__libc_start_main) call;
	} real = {.found = dlsym(RTLD_NEXT, "__libc_start_main")};
	is_found();
	real_main = program;
	return real.call(run_main, argc, argv, init, fini, loader, stack);
}
