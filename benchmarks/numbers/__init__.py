"""How well numbers are read: pictures of several digits, made from MNIST's digits and from other forms of them."""
