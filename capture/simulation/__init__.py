"""The simulated rig: virtual subjects before a virtual Kinect v2 and A65, with ground truth."""
