#include "capture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void need(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	abort();
}

void capture_begin(struct capture *capture, int fd)
{
	char path[] = "/tmp/lossd-capture-XXXXXX";
	fflush(NULL);
	capture->fd = fd;
	capture->file = mkstemp(path);
	need(capture->file >= 0 && unlink(path) == 0, path);
	capture->saved = dup(fd);
	need(capture->saved >= 0 && dup2(capture->file, fd) == fd, "dup");
}

void capture_end(struct capture *capture)
{
	fflush(NULL);
	need(dup2(capture->saved, capture->fd) == capture->fd, "dup2");
	close(capture->saved);
	ssize_t n = pread(capture->file, capture->text, sizeof capture->text - 1, 0);
	need(n >= 0, "pread");
	capture->text[n] = '\0';
	capture->size = (size_t)n;
	close(capture->file);
}

void make_folder(char *out, size_t size)
{
	const char *where = getenv("TMPDIR");
	snprintf(out, size, "%s/lossd-test-XXXXXX", where ? where : "/tmp");
	need(mkdtemp(out) != NULL, out);
}

void write_file(const char *path, const char *text)
{
	char folder[1024];
	snprintf(folder, sizeof folder, "%s", path);
	for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(folder, 0700);
		*slash = '/';
	}
	FILE *file = fopen(path, "w");
	need(file != NULL, path);
	need(fputs(text, file) >= 0, path);
	need(fclose(file) == 0, path);
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place)
{
	(void)info, (void)type, (void)place;
	return remove(path);
}

void remove_folder(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
