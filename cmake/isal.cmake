# ISA-L (igzip), static, from the `isal` source distribution.
