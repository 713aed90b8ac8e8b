using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Rollout.Gpu.Interop;

/// <summary>
/// A kernel's arguments in the order of its parameters. Each takes eight bytes, of which the driver reads as many as
/// the parameter has. They are on the stack, so that a launch allocates nothing.
/// </summary>
internal ref struct KernelArguments
{
    /// <summary>The most arguments.</summary>
    public const int Capacity = 24;

    private Slots _slots;

    /// <summary>The number of arguments.</summary>
    public int Count { get; private set; }

    [UnscopedRef]
    internal readonly ReadOnlySpan<long> Values => _slots;

    /// <summary>Adds an address on the device, or a 64-bit number.</summary>
    public void Add(nint value) => _slots[Count++] = value;

    /// <summary>Adds a 32-bit number.</summary>
    public void Add(int value) => _slots[Count++] = value;

    /// <summary>Adds a float.</summary>
    public void Add(float value) => _slots[Count++] = BitConverter.SingleToUInt32Bits(value);

    [InlineArray(Capacity)]
    private struct Slots
    {
        private long _first;
    }
}
