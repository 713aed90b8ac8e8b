using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Rollout.Gpu.Weights.Transfer;

/// <summary>
/// The two messages before the weights. The receiver asks: magic u32, token [32], tensor i32, offset i64. The server
/// answers: magic u32, <see cref="TransferAnswer"/> u8 and, where it agrees, the manifest's length i32, the manifest, and
/// the bytes of all tensors from the place asked for to the end. All little-endian.
/// </summary>
internal static class TransferProtocol
{
    public const int TokenBytes = 32;
    public const int RequestBytes = sizeof(uint) + TokenBytes + sizeof(int) + sizeof(long);
    public const int AnswerBytes = sizeof(uint) + 1 + sizeof(int);

    /// <summary>"RWT1": rollout weight transfer, first version.</summary>
    private const uint Magic = 0x31545752;

    public static byte[] Request(byte[] token, TransferPlace place)
    {
        var request = new byte[RequestBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(request, Magic);
        token.CopyTo(request, sizeof(uint));
        BinaryPrimitives.WriteInt32LittleEndian(request.AsSpan(sizeof(uint) + TokenBytes), place.Tensor);
        BinaryPrimitives.WriteInt64LittleEndian(request.AsSpan(RequestBytes - sizeof(long)), place.Offset);
        return request;
    }

    /// <summary>True when a request holds this token. The time of the comparison doesn't depend on the bytes.</summary>
    public static bool HasToken(ReadOnlySpan<byte> request, byte[] token) =>
        BinaryPrimitives.ReadUInt32LittleEndian(request) == Magic
        && CryptographicOperations.FixedTimeEquals(request.Slice(sizeof(uint), TokenBytes), token);

    public static TransferPlace PlaceOf(ReadOnlySpan<byte> request) => new(
        BinaryPrimitives.ReadInt32LittleEndian(request[(sizeof(uint) + TokenBytes)..]),
        BinaryPrimitives.ReadInt64LittleEndian(request[(RequestBytes - sizeof(long))..]));

    public static byte[] Answer(TransferAnswer answer, int manifestLength)
    {
        var bytes = new byte[AnswerBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Magic);
        bytes[sizeof(uint)] = (byte)answer;
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(sizeof(uint) + 1), manifestLength);
        return bytes;
    }

    /// <exception cref="InvalidDataException">The other side speaks something else.</exception>
    public static (TransferAnswer Answer, int ManifestLength) ReadAnswer(ReadOnlySpan<byte> bytes)
    {
        var answer = (TransferAnswer)bytes[sizeof(uint)];
        var length = BinaryPrimitives.ReadInt32LittleEndian(bytes[(sizeof(uint) + 1)..]);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes) == Magic
            && Enum.IsDefined(answer) && length is >= 0 and <= WeightManifest.MaxLength
            ? (answer, length)
            : throw new InvalidDataException("the answer is not that of a weight server");
    }
}

/// <summary>A weight server's answer to a request.</summary>
internal enum TransferAnswer : byte
{
    /// <summary>The manifest follows, then the weights.</summary>
    Agreed = 1,

    /// <summary>The token isn't the present offer's.</summary>
    UnknownToken = 2,

    /// <summary>There is no such place in the offered tensors.</summary>
    UnknownPlace = 3,
}

/// <summary>How far a transfer has come: <paramref name="Offset"/> bytes of tensor number <paramref name="Tensor"/>.</summary>
internal readonly record struct TransferPlace(int Tensor, long Offset);
