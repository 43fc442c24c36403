# The smallest Debian, from a root file system that debootstrap made on this machine.
FROM scratch AS debian
ADD rootfs.tar /
CMD ["bash"]
