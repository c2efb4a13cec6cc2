"""NDS: networks of ten design spaces on CIFAR-10 and ImageNet."""
